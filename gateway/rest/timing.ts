/**
 * How long requests take and how they end, for the service level: tills, web fronts and machines come this way, and what the
 * realtime port counts says nothing of them.
 */
import type { Metrics } from '../../nodes/ports.ts';
import type { Rest } from './app.ts';

/** `failed` is ours (5xx); `refused` is the caller's (4xx). */
const resultOf = (status: number): string => {
  if (status >= 500) return 'failed';
  return status >= 400 ? 'refused' : 'ok';
};

export const timeRequests = (app: Rest, metrics: Metrics | undefined): void => {
  if (metrics === undefined) return;
  app.addHook('onResponse', async (_request, reply) => {
    const labels = { result: resultOf(reply.statusCode) };
    metrics.observe('rt_request_seconds', reply.elapsedTime / 1_000, labels);
  });
};
