/** One shape for everything that goes wrong over HTTP: the numbers of the socket, a sentence, and whether to retry. */
import type { FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import type { Log } from '../../nodes/ports.ts';
import { ERROR, ok, type Refusal, type Result, refuse } from '../../protocol/errors.ts';

export const ErrorBody = Type.Object(
  {
    error: Type.Object({
      code: Type.Integer({ description: 'The number of the error family; the HTTP status, except 498.' }),
      message: Type.String({ description: 'A sentence for the developer.' }),
      retryable: Type.Boolean({ description: 'The same request may succeed later.' }),
    }),
  },
  { description: 'Every refusal has this shape.' },
);
export type ErrorBody = Static<typeof ErrorBody>;

export const errorBody = ({ code, message, retryable }: Refusal): ErrorBody => ({
  error: { code, message, retryable },
});

/** HTTP knows no 498: an expired token is 401 there, and the body still says 498. */
export const statusOf = ({ code }: Refusal): number => (code === ERROR.tokenExpired ? 401 : code);

/** Answers with a refusal. */
export const refused = (reply: FastifyReply, refusal: Refusal): FastifyReply => {
  const status = statusOf(refusal);
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="heyblue"');
  if (refusal.retryAfterMs > 0) reply.header('retry-after', Math.ceil(refusal.retryAfterMs / 1_000));
  return reply.code(status).type('application/json; charset=utf-8').send(errorBody(refusal));
};

/** Runs something that needs the store; an outage is a value that tells the caller to try again. */
export const reaching = async <T>(log: Log, work: () => Promise<T>): Promise<Result<T>> => {
  try {
    return ok(await work());
  } catch (error) {
    log.warn({ err: error }, 'the directory does not answer');
    return refuse(ERROR.unavailable, 'not now: try again', 1_000);
  }
};
