/**
 * POSTs that move points or stock (`reference/domain.md` 5.4): a key is required, what it did once is not done again, and the
 * first answer comes again with `Idempotent-Replayed`. The actor that does it carries a key too, made of who asks, what for
 * and the key of the caller, and stores it with the effect: so a repeat is harmless on any node and after any kill. A
 * refusal that would be the same again is an answer like another; one that passes is not kept.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { KEY_CONFLICT, type OrderName, type RedeemPreview } from '../../nodes/marketPort.ts';
import { COMMANDS, type CommandBody, type CommandResult } from '../../protocol/catalogue.ts';
import { derivedId } from '../../protocol/derivedId.ts';
import { ERROR, type Refusal, type Result, refuse } from '../../protocol/errors.ts';
import type { Identity } from '../auth/tokens.ts';
import { requestHash } from '../commands.ts';
import { LIMITS } from '../limits.ts';
import type { RestOptions } from './context.ts';
import { errorBody, refused, statusOf } from './errors.ts';
import { Idempotency } from './idempotency.ts';
import { traceOf } from './trace.ts';

/** What is sent: a value of the route's schema, or the refusal. */
interface Kept {
  readonly status: number;
  readonly body: unknown;
}

const MISSING = refuse(ERROR.malformed, 'an Idempotency-Key is required here');
/** The actor remembers longer and on every node; over HTTP it is said as our own memory says it. */
const REUSED = refuse(ERROR.invalid, 'this Idempotency-Key was used with another body');

const isReused = ({ code, message }: Refusal): boolean =>
  code === KEY_CONFLICT.code && message === KEY_CONFLICT.message;

export class Once {
  readonly #seen = new Idempotency();
  readonly #options: RestOptions;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /**
   * Does what the request asks for, unless it was done.
   * @param work gets the key of the effect: the same for a repeat
   */
  async run<T extends object>(
    request: FastifyRequest,
    reply: FastifyReply,
    me: Identity,
    created: 200 | 201,
    work: (key: string) => Promise<Result<T>>,
  ): Promise<FastifyReply> {
    const given = request.headers['idempotency-key'];
    if (typeof given !== 'string') return refused(reply, MISSING);
    const route = `${request.method} ${request.url}`;
    const name = `${me.userId} ${route} ${given}`;
    const before = this.#seen.begin(name, request.body ?? null, this.#options.wallMs());
    if (before !== null && !before.ok) return refused(reply, before);
    if (before !== null) {
      const { status, body } = JSON.parse(before.value) as Kept;
      return reply.header('idempotent-replayed', 'true').code(status).send(body);
    }
    let kept: Kept | null = null;
    try {
      const done = await work(derivedId('rest', me.userId, route, given));
      if (done.ok) {
        kept = { status: created, body: done.value };
        return reply.code(created).send(done.value);
      }
      const refusal = isReused(done) ? REUSED : done;
      if (!refusal.retryable && refusal.code !== ERROR.internal)
        kept = { status: statusOf(refusal), body: errorBody(refusal) };
      return refused(reply, refusal);
    } finally {
      this.#seen.settle(name, kept && JSON.stringify(kept));
    }
  }

  /** What `redeem.reserve` would do: nothing is kept of it, so it has no key. */
  preview(
    request: FastifyRequest,
    me: Identity,
    body: CommandBody<'redeem.reserve'>,
  ): Promise<Result<RedeemPreview>> {
    const message = { type: 'order', name: 'redeem.reserve', body, key: '', requestHash: '', dry: true };
    return this.#ask(request, me, message);
  }

  /** Gives a command of the socket for who has none at hand: the same actor, the same answer. */
  order<N extends OrderName>(
    request: FastifyRequest,
    me: Identity,
    name: N,
    body: CommandBody<N>,
    key: string,
  ): Promise<Result<CommandResult<N>>> {
    const hash = requestHash(COMMANDS[name].code, body);
    return this.#ask(request, me, { type: 'order', name, body, key, requestHash: hash });
  }

  #ask<T>(request: FastifyRequest, me: Identity, message: object): Promise<Result<T>> {
    const options = { timeoutMs: LIMITS.commandMs, keyed: true, trace: traceOf(request) };
    const to = { kind: 'user', id: me.userId } as const;
    return new Promise(resolve => {
      const done = (result: Result<unknown>): void => resolve(result as Result<T>);
      this.#options.door.ask(to, message, done, options);
    });
  }
}
