/** Lets the pages of allowed origins call these doors from a browser (CORS). Tokens travel in headers, never cookies. */
import { mayCall } from '../origins.ts';
import type { Rest } from './app.ts';

export const crossOrigin = (app: Rest, origins: readonly string[]): void => {
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers;
    if (origin === undefined || !mayCall(origins, origin)) return;
    reply.header('access-control-allow-origin', origin).header('vary', 'origin');
    reply.header('access-control-expose-headers', 'traceparent');
    if (request.method !== 'OPTIONS') return;
    return reply
      .header('access-control-allow-methods', 'GET, POST')
      .header('access-control-allow-headers', 'authorization, content-type, idempotency-key, traceparent')
      .header('access-control-max-age', '600')
      .code(204)
      .send();
  });
};
