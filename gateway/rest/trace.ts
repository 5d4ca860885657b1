/**
 * The trace of a request: it goes on where the caller's `traceparent` says, or begins here, and the answer tells where,
 * so that whoever reports a failure can name it. A header that is not exactly well-formed is not there.
 */
import type { FastifyRequest } from 'fastify';
import type { Span } from '../../nodes/ports.ts';
import { traceIdOf, wellFormedTrace } from '../../protocol/trace.ts';
import type { Rest } from './app.ts';
import type { RestOptions } from './context.ts';

const spans = new WeakMap<FastifyRequest, Span>();

/** What a request's work belongs to; null when nobody follows it. */
export const traceOf = (request: FastifyRequest): string | null => spans.get(request)?.trace ?? null;

export const traceRequests = (app: Rest, { tracer, log }: RestOptions): void => {
  if (tracer === undefined) return;
  app.addHook('onRequest', async (request, reply) => {
    const name = `${request.method} ${request.routeOptions.url ?? 'nowhere'}`;
    const span = tracer.begin(name, wellFormedTrace(request.headers.traceparent));
    spans.set(request, span);
    reply.header('traceparent', span.trace);
  });
  app.addHook('onResponse', async (request, reply) => {
    const span = spans.get(request);
    if (!span) return;
    const { statusCode } = reply;
    span.set('http.response.status_code', statusCode);
    span.end(statusCode >= 500 ? `status ${statusCode}` : undefined);
    if (statusCode < 500) return;
    const route = request.routeOptions.url;
    log.debug({ route, status: statusCode, trace: traceIdOf(span.trace) }, 'a request was not served');
  });
};
