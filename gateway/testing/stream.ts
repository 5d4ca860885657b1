/**
 * One user's actor behind any number of gateways, reduced to what a client sees of it: a stream of numbered events,
 * resume from any of them, one connection of a device at a time (4004), and commands that take effect once.
 */
import type { SessionRef } from '../../nodes/gatewayPort.ts';
import type { PushSink } from '../../nodes/ports.ts';
import { CLOSE, ok, type Result } from '../../protocol/errors.ts';
import { encodeEvent } from '../../protocol/messages.ts';
import { EPOCH, FakeDoor, type Said } from './town.ts';

const idOf = (offset: number): string => `01900000-0000-7000-8000-${String(offset).padStart(12, '0')}`;

const snapshotAt = (offset: number): Uint8Array =>
  encodeEvent('snapshot', offset, idOf(offset), {
    userId: idOf(1),
    kind: 'civilian',
    handle: 'ana',
    sharing: false,
    sharingUntilS: 0,
    instant: false,
    balance: offset,
    balanceVersion: offset,
    encounterCount: 0,
    encounters: [],
    mode: 'qr',
    hub: null,
    reserved: 0,
    redemptions: [],
  });

export class StreamTown {
  readonly events: Uint8Array[] = [];
  /** What HELLO said of the place where the phone stopped; null for nothing. */
  readonly resumes: (number | null)[] = [];
  /** How often each key took effect. */
  readonly effects = new Map<string, number>();
  private readonly sinks = new Map<string, PushSink>();
  private at: SessionRef | null = null;

  /** The door of one more gateway. */
  door(): FakeDoor {
    const door = new FakeDoor();
    door.answers.attach = said => this.attach(said);
    door.answers.command = said => {
      const key = String(said.message.key);
      if (!this.effects.has(key)) this.effects.set(key, 1);
      return ok({ heyId: idOf(2), expiresS: 5 });
    };
    return door;
  }

  /** The gateway of that name is there; its sessions can be told something. */
  serves(gatewayId: string, sink: PushSink): void {
    this.sinks.set(gatewayId, sink);
  }

  get offset(): number {
    return this.events.length;
  }

  /** Which gateway has the phone. */
  get gatewayId(): string | null {
    return this.at?.gateway ?? null;
  }

  /** Something happens to the user. */
  happen(): void {
    const offset = this.events.length + 1;
    const bytes = encodeEvent('sharing.ended', offset, idOf(offset), { reason: 'timeout' });
    this.events.push(bytes);
    if (this.at !== null) this.sinks.get(this.at.gateway)?.push([this.at], bytes, 'durable');
  }

  /** The connection of the phone is ended. */
  cut(code: number): void {
    if (this.at !== null) this.sinks.get(this.at.gateway)?.close([this.at], code, 'cut');
  }

  private attach({ message }: Said): Result<unknown> {
    const resume = message.resume as { epoch: string; offset: number } | null;
    const older = this.at;
    this.at = message.session!;
    if (older !== null && older.id !== this.at.id)
      this.sinks.get(older.gateway)?.close([older], CLOSE.replaced, 'replaced');
    this.resumes.push(resume?.offset ?? null);
    const { offset } = this;
    const resumed = resume !== null && resume.epoch === EPOCH && resume.offset <= offset;
    const frames = resumed ? this.events.slice(resume.offset) : [snapshotAt(offset)];
    return ok({ epoch: EPOCH, offset, resumed, frames });
  }
}
