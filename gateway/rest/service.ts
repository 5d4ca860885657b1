/** How a machine gets its token: client credentials (RFC 6749 4.4), as JSON like everything here. */
import { Type } from 'typebox';
import { ERROR, refuse } from '../../protocol/errors.ts';
import type { Services } from '../auth/services.ts';
import { LIMITS } from '../limits.ts';
import { peerAddress } from '../peer.ts';
import { RateTable } from '../rate.ts';
import type { Rest } from './app.ts';
import type { RestOptions } from './context.ts';
import { ErrorBody, refused } from './errors.ts';

const Credentials = Type.Object(
  {
    grant_type: Type.Literal('client_credentials'),
    client_id: Type.String({ minLength: 1, maxLength: 64 }),
    client_secret: Type.String({ minLength: 1, maxLength: 128 }),
  },
  { additionalProperties: false },
);
const ServiceToken = Type.Object({
  access_token: Type.String({ description: 'JWT for `Authorization: Bearer` at the scoring doors.' }),
  token_type: Type.Literal('Bearer'),
  expires_in: Type.Integer({ description: 'Seconds that it lives.' }),
  scope: Type.Literal('service'),
});

const wrong = refuse(ERROR.unauthorized, 'client or secret is wrong');
const slower = (waitMs: number) => refuse(ERROR.rateLimited, 'too many attempts: wait a little', waitMs);

export const serviceRoutes = (app: Rest, options: RestOptions, services: Services): void => {
  const { tokens, rates, wallMs } = options;
  const addresses = rates && new RateTable(rates.address, LIMITS.remembered);

  app.post(
    '/v1/oauth/token',
    {
      schema: {
        tags: ['scoring'],
        summary: 'A token for a machine, by its client credentials',
        description: 'The same answer for an unknown client and a wrong secret.',
        body: Credentials,
        response: { 200: ServiceToken, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async (request, reply) => {
      const forwarded = String(request.headers['x-forwarded-for'] ?? '');
      const address = peerAddress(request.ip, forwarded, options.trustedProxyHops);
      const waitMs = addresses?.waitMs(address, wallMs()) ?? 0;
      if (waitMs > 0) return refused(reply, slower(waitMs));
      addresses?.take(address, wallMs());
      const { client_id: id, client_secret: secret } = request.body;
      const account = services.recognise(id, secret);
      if (account === null) return refused(reply, wrong);
      const token = await tokens.mintService({ serviceId: account.id, name: account.name });
      return reply.send({
        access_token: token,
        token_type: 'Bearer',
        expires_in: tokens.ttlS,
        scope: 'service',
      });
    },
  );
};
