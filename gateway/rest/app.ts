/**
 * The REST doors: Fastify with one schema per body and answer. Whatever goes wrong, inside a handler or before one, is
 * answered in the one shape of `errors.ts`; a stack trace never leaves.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import swagger from '@fastify/swagger';
import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox';
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type RawServerDefault,
} from 'fastify';
import { ERROR, type ErrorCode, type Refusal, refuse } from '../../protocol/errors.ts';
import { traceIdOf } from '../../protocol/trace.ts';
import { LIMITS } from '../limits.ts';
import { TLS_VERSION_MIN, type TlsPair } from '../tls.ts';
import { accountRoutes } from './accounts.ts';
import { catalogRoutes } from './catalogs.ts';
import { codeRoutes } from './codes.ts';
import type { RestOptions } from './context.ts';
import { crossOrigin } from './crossOrigin.ts';
import { docRoutes, OPENAPI } from './docs.ts';
import { domainRoutes } from './domain.ts';
import { erasureRoutes } from './erasure.ts';
import { errorBody, refused } from './errors.ts';
import { feeRoutes } from './fees.ts';
import { givingRoutes } from './giving.ts';
import { merchantRoutes } from './merchants.ts';
import { offerRoutes } from './offers.ts';
import { Orders } from './orders.ts';
import { peopleRoutes } from './people.ts';
import { redemptionRoutes } from './redemptions.ts';
import { ruleRoutes } from './rules.ts';
import { scoringRoutes } from './scoring.ts';
import { serviceRoutes } from './service.ts';
import { signOutRoutes } from './signOut.ts';
import { timeRequests } from './timing.ts';
import { traceOf, traceRequests } from './trace.ts';

const STATUS: Record<number, ErrorCode> = {
  400: ERROR.malformed,
  404: ERROR.notFound,
  413: ERROR.tooLarge,
  422: ERROR.invalid,
};

/** What may be told about an error that Fastify raised; the rest is ours and stays here. */
const refusalOf = (error: FastifyError): Refusal | null => {
  if (error.validation !== undefined) return refuse(ERROR.invalid, error.message);
  const status = error.statusCode ?? 500;
  if (status >= 500) return null;
  if (status === 415) return refuse(ERROR.malformed, 'send the body as application/json');
  return refuse(STATUS[status] ?? ERROR.malformed, error.message);
};

export type Rest = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

const build = (tls: TlsPair | undefined): Rest =>
  fastify({
    // Its types make another server of it; what we use of both is the same.
    ...(tls && ({ https: { ...tls, minVersion: TLS_VERSION_MIN } } as object)),
    logger: false,
    bodyLimit: LIMITS.restBytes,
    requestTimeout: LIMITS.restRequestMs,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    frameworkErrors: (error, _request, reply) => {
      refused(reply, refusalOf(error) ?? refuse(ERROR.internal, 'something went wrong on our side'));
    },
    clientErrorHandler: (error, socket) => {
      if (!socket.writable || error.code === 'ECONNRESET') return socket.destroy(error);
      const body = JSON.stringify(errorBody(refuse(ERROR.malformed, 'not an HTTP request')));
      const head = `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`;
      return socket.end(`HTTP/1.1 400 Bad Request\r\n${head}\r\n\r\n${body}`);
    },
  }).withTypeProvider<TypeBoxTypeProvider>();

const marketRoutes = (app: Rest, options: RestOptions): void => {
  if (options.market === undefined) return;
  const orders = new Orders(options);
  offerRoutes(app, options, options.market, orders);
  redemptionRoutes(app, options, options.market, orders);
  merchantRoutes(app, options, options.market);
};

/** The REST server with all of its routes, ready to listen; which routes there are follows from the stores that are given. */
export const createRest = async (options: RestOptions): Promise<Rest> => {
  const app = build(options.tls);
  const { log } = options;
  // Unknown fields are mistakes to be told, not to be dropped; only what comes as text of a URL is converted.
  app.setValidatorCompiler(TypeBoxValidatorCompiler);
  await app.register(swagger, { openapi: OPENAPI });
  app.removeContentTypeParser('text/plain');

  app.setErrorHandler((error: FastifyError, request, reply) => {
    const refusal = refusalOf(error);
    if (refusal === null) {
      const [route, trace] = [request.routeOptions.url, traceIdOf(traceOf(request))];
      log.error({ err: error, route, trace }, 'a request failed');
    }
    return refused(reply, refusal ?? refuse(ERROR.internal, 'something went wrong on our side'));
  });
  app.setNotFoundHandler((_request, reply) =>
    refused(reply, refuse(ERROR.notFound, 'there is nothing here; see /docs')),
  );
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
    if (options.tls) reply.header('strict-transport-security', 'max-age=31536000');
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
  timeRequests(app, options.metrics);
  traceRequests(app, options);
  crossOrigin(app, options.origins);

  accountRoutes(app, options);
  signOutRoutes(app, options);
  peopleRoutes(app, options);
  codeRoutes(app, options);
  marketRoutes(app, options);
  if (options.giving) {
    givingRoutes(app, options);
    feeRoutes(app, options, options.giving);
    catalogRoutes(app, options, options.giving);
    if (options.services) {
      serviceRoutes(app, options, options.services);
      scoringRoutes(app, options, { services: options.services, store: options.giving });
    }
  }
  if (options.usersDomain) domainRoutes(app, options, options.usersDomain);
  if (options.persons) erasureRoutes(app, options, options.persons);
  if (options.explainer) ruleRoutes(app, options, options.explainer);
  await docRoutes(app, options.tokens);
  await app.ready();
  return app;
};
