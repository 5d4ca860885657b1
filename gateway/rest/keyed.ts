/**
 * POSTs that move points. A key is required (400): without it nobody could tell a repeat from a second gift. What a key did
 * is known three times: here, which makes a repeat quick and tells two at once apart; in the actor; and in the ledger, which
 * counts. So here may be forgotten what was said.
 *
 * A refusal for a reason of the request is the answer to its key from then on; one for a reason of ours is not. A repeat is
 * told by `Idempotent-Replayed` (domain study 5.4).
 */
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isKeyConflict } from '../../nodes/gatewayPort.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import { askActor } from '../askActor.ts';
import type { RestOptions } from './context.ts';
import { refused } from './errors.ts';
import { Idempotency } from './idempotency.ts';
import { traceOf } from './trace.ts';

/** What the actor is told of a request with a key. */
export interface Keyed {
  readonly key: string;
  readonly requestHash: string;
}

interface Said {
  readonly status: number;
  readonly value: unknown;
  readonly refusal: Refusal | null;
}

const missing = refuse(ERROR.malformed, 'an Idempotency-Key is required: repeat a request with its own key');
const anotherBody = refuse(ERROR.invalid, 'this Idempotency-Key was used with another body');

export class KeyedDoor {
  readonly #seen = new Idempotency();
  readonly #wallMs: () => number;

  constructor({ wallMs }: Pick<RestOptions, 'wallMs'>) {
    this.#wallMs = wallMs;
  }

  /**
   * @param who a key means something for its caller only
   * @param route and for one kind of request
   * @param asked what was asked for, besides the route: another one under the same key is refused
   */
  async answer(
    request: FastifyRequest,
    reply: FastifyReply,
    { who, route, asked }: { readonly who: string; readonly route: string; readonly asked: unknown },
    work: (keyed: Keyed) => Promise<Result<unknown>>,
    status = 200,
  ): Promise<FastifyReply> {
    const given = request.headers['idempotency-key'];
    if (typeof given !== 'string' || given === '') return refused(reply, missing);
    const name = `${route} ${who} ${given}`;
    const before = this.#seen.begin(name, asked, this.#wallMs());
    if (before !== null && !before.ok) return refused(reply, before);
    if (before !== null) {
      return say(reply.header('idempotent-replayed', 'true'), JSON.parse(before.value) as Said);
    }
    let said: Said | null = null;
    try {
      const requestHash = createHash('sha256')
        .update(`${route}\n${JSON.stringify(asked)}`)
        .digest('hex');
      const result = await work({ key: derivedId('rest', route, who, given), requestHash });
      if (result.ok) said = { status, value: result.value, refusal: null };
      else if (isKeyConflict(result)) return refused(reply, anotherBody);
      else if (result.retryable || result.code === ERROR.internal) return refused(reply, result);
      else said = { status: 0, value: null, refusal: result };
      return say(reply, said);
    } finally {
      this.#seen.settle(name, said === null ? null : JSON.stringify(said));
    }
  }
}

const say = (reply: FastifyReply, { status, value, refusal }: Said): FastifyReply =>
  refusal === null ? reply.code(status).send(value) : refused(reply, refusal);

/** Asks an actor what a repeat does not do twice: it may be asked again on its way. */
export const askKeyed = <T>(
  options: Pick<RestOptions, 'door'>,
  request: FastifyRequest,
  userId: string,
  message: object,
): Promise<Result<T>> =>
  askActor(options.door, { kind: 'user', id: userId }, message, { keyed: true, trace: traceOf(request) });
