/**
 * A till over a client: it says which till it is whenever the server may not know, so that the cashier's app need not. A
 * connection that was replaced opens the till again by itself; one that another app holds stays closed, and `opened` says so.
 *
 * ```ts
 * const till = new Till(client, 'till-1', opened => console.log(opened.ok ? opened.value.waiting : opened.message));
 * client.on('till.redemption', one => console.log(one.state, one.title, one.quantity));
 * const sold = await till.command('till.confirm', { redemptionId: null, code: scanned, quantity: null });
 * ```
 */
import type { CommandBody, CommandResult } from '../../protocol/catalogue.ts';
import { ERROR, type Result } from '../../protocol/errors.ts';
import type { HeyBlueClient } from './client.ts';
import { freshUuid } from './platform.ts';
import type { CommandOptions } from './types.ts';

export type TillCommand = 'till.look' | 'till.confirm' | 'till.refuse' | 'till.refund';
type Opened = Result<CommandResult<'till.open'>>;

export class Till {
  private readonly client: HeyBlueClient;
  private readonly name: string;
  private readonly opened: (opened: Opened) => void;
  private readonly stop: () => void;

  /** @param opened told each time that the till was opened, with what waits there, or was not */
  constructor(client: HeyBlueClient, name: string, opened: (opened: Opened) => void = () => {}) {
    this.client = client;
    this.name = name;
    this.opened = opened;
    this.stop = client.on('state', ({ state }) => {
      if (state === 'connected') void this.open();
    });
    if (client.state === 'connected') void this.open();
  }

  async open(): Promise<Opened> {
    const result = await this.client.command('till.open', { till: this.name });
    this.opened(result);
    return result;
  }

  /**
   * Like `client.command`. A conflict may mean that this connection is no till yet: then it is opened and asked once more,
   * under the same key, because it may have been done before the server forgot the till; what was in conflict for another
   * reason still is.
   */
  async command<N extends TillCommand>(
    name: N,
    body: CommandBody<N>,
    options?: CommandOptions,
  ): Promise<Result<CommandResult<N>>> {
    const keyed = { idem: freshUuid(), ...options };
    const first = await this.client.command(name, body, keyed);
    if (first.ok || first.code !== ERROR.conflict || !(await this.open()).ok) return first;
    return this.client.command(name, body, keyed);
  }

  /** No till any more; the connection stays. */
  close(): void {
    this.stop();
  }
}
