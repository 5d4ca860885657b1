/**
 * Orders of the market over HTTP: the commands of the socket, for who has none at hand. The user's actor does them, under a
 * key made of who asks, what for and the key of the caller (`keyed.ts`): so a repeat is harmless on any node and after any kill.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { OrderName, RedeemPreview } from '../../nodes/marketPort.ts';
import { COMMANDS, type CommandBody, type CommandResult } from '../../protocol/catalogue.ts';
import type { Result } from '../../protocol/errors.ts';
import type { Identity } from '../auth/tokens.ts';
import { requestHash } from '../commands.ts';
import type { RestOptions } from './context.ts';
import { askKeyed, KeyedDoor } from './keyed.ts';

export class Orders {
  readonly #door: KeyedDoor;
  readonly #options: RestOptions;

  constructor(options: RestOptions) {
    this.#door = new KeyedDoor(options);
    this.#options = options;
  }

  /**
   * Does what the request asks for, unless it was done.
   * @param work gets the key of the effect: the same for a repeat
   */
  run<T extends object>(
    request: FastifyRequest,
    reply: FastifyReply,
    me: Identity,
    created: 200 | 201,
    work: (key: string) => Promise<Result<T>>,
  ): Promise<FastifyReply> {
    const asked = { who: me.userId, route: routeOf(request), asked: request.body ?? null };
    return this.#door.answer(request, reply, asked, ({ key }) => work(key), created);
  }

  /** What `redeem.reserve` would do: nothing is kept of it, so it has no key. */
  preview(
    request: FastifyRequest,
    me: Identity,
    body: CommandBody<'redeem.reserve'>,
  ): Promise<Result<RedeemPreview>> {
    const message = { type: 'order', name: 'redeem.reserve', body, key: '', requestHash: '', dry: true };
    return askKeyed(this.#options, request, me.userId, message);
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
    const message = { type: 'order', name, body, key, requestHash: hash };
    return askKeyed(this.#options, request, me.userId, message);
  }
}

/** What a key means something for: the same however the ids of the path are written, and whatever query stands behind it. */
function routeOf({ method, routeOptions, params }: FastifyRequest): string {
  const ids = params as Readonly<Record<string, string>>;
  return `${method} ${routeOptions.url?.replace(/:(\w+)/g, (_, name: string) => ids[name]!.toLowerCase())}`;
}
