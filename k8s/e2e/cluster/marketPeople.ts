/**
 * A customer and a till with the published client, and apps of a few lines: they show what they are told. A connection that
 * is lost, a node that dies, an answer that does not come: the client deals with it, under the same key.
 */
import { HeyBlueClient } from '../../../gateway/client/client.ts';
import { Till } from '../../../gateway/client/till.ts';
import type { CommandOutcome, Message } from '../../../gateway/client/types.ts';
import type { CommandBody, CommandName, EventBody, RedemptionState } from '../../../protocol/catalogue.ts';
import type { PhoneIdentity } from '../../swarm/phone.ts';
import { until } from '../testTown.ts';

/** A takeover on a busy machine, and then some. */
const PATIENCE_MS = 90_000;

type Shown = EventBody<'redemption.changed'>;
type Seen = EventBody<'till.redemption'>;

class App {
  readonly client: HeyBlueClient;
  /** Events that came twice. */
  readonly doubled: string[] = [];
  readonly #ids = new Set<string>();

  constructor(urls: readonly string[], { token, deviceId }: PhoneIdentity) {
    this.client = new HeyBlueClient({ url: urls, deviceId, getToken: () => token });
    this.client.on('event', message => this.#heard(message));
  }

  connect(): Promise<unknown> {
    this.client.connect();
    return until('a connection', () => this.client.state === 'connected', PATIENCE_MS);
  }

  /** A command that is repeated under its key until its outcome is known. */
  async surely<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    idem: string = crypto.randomUUID(),
  ): Promise<Awaited<CommandOutcome<N>>> {
    return until(
      `an outcome of ${name}`,
      async () => {
        const result = await this.client.command(name, body, { idem, timeoutMs: 5_000 });
        return result.ok || !result.retryable ? result : null;
      },
      PATIENCE_MS,
    );
  }

  #heard(message: Message): void {
    if (!('eventId' in message) || message.name === 'snapshot') return;
    if (this.#ids.has(message.eventId)) this.doubled.push(`${message.name} ${message.eventId}`);
    this.#ids.add(message.eventId);
  }
}

export class Customer extends App {
  readonly identity: PhoneIdentity;
  /** What the phone shows of each redemption: the newest. */
  readonly redemptions = new Map<string, Shown>();
  balance = 0;
  reserved = 0;

  constructor(urls: readonly string[], identity: PhoneIdentity) {
    super(urls, identity);
    this.identity = identity;
    this.client.on('redemption.changed', one => {
      this.redemptions.set(one.redemptionId, one);
      this.balance = one.balance;
      this.reserved = one.reserved;
    });
    this.client.on('resync', ({ balance, reserved }) => {
      this.balance = balance;
      this.reserved = reserved ?? 0;
    });
  }

  shows(id: string, state: RedemptionState): Promise<Shown> {
    return until(
      `${state} on a phone`,
      () => {
        const shown = this.redemptions.get(id);
        return shown?.state === state ? shown : null;
      },
      PATIENCE_MS,
    );
  }
}

export class Cashier extends App {
  readonly till: Till;
  readonly seen = new Map<string, Seen>();
  opened = 0;

  constructor(urls: readonly string[], identity: PhoneIdentity, name: string) {
    super(urls, identity);
    this.client.on('till.redemption', one => void this.seen.set(one.redemptionId, one));
    this.till = new Till(this.client, name, result => {
      if (!result.ok) return;
      this.opened++;
      for (const one of result.value.waiting) this.seen.set(one.redemptionId, { ...one, till: '' });
    });
  }

  override async surely<N extends CommandName>(
    name: N,
    body: CommandBody<N>,
    idem: string = crypto.randomUUID(),
  ): Promise<Awaited<CommandOutcome<N>>> {
    const result = await super.surely(name, body, idem);
    if (result.ok || !/open a till/.test(result.message)) return result;
    await until('the till to be opened', async () => (await this.till.open()).ok, PATIENCE_MS);
    return super.surely(name, body, idem);
  }

  sees(id: string, state: RedemptionState): Promise<Seen> {
    return until(
      `${state} on a till`,
      () => {
        const seen = this.seen.get(id);
        return seen?.state === state ? seen : null;
      },
      PATIENCE_MS,
    );
  }
}
