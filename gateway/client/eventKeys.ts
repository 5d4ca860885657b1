/**
 * Keys of commands that listeners say. Nothing is stored while a listener of an event runs, so after a kill the next run
 * does not know what it said; but the event is given again, and whoever does the same again must say it with the same
 * key. So the key of a command follows from the event, the name of the command and how many of that name were said since
 * the event was given. What a person does meanwhile, while a listener takes its time, counts with them.
 */
import { bytesToUuid, uuidToBytes } from '../../protocol/ids.ts';

export class EventKeys {
  private readonly deviceId: string;
  private eventId: string | null = null;
  private readonly said = new Map<string, number>();

  /** @param deviceId devices of one account that hear the same event do not speak for each other */
  constructor(deviceId: string) {
    this.deviceId = deviceId;
  }

  /** The event is given to the app, until `end`. */
  begin(eventId: string): void {
    this.eventId = eventId;
    this.said.clear();
  }

  end(): void {
    this.eventId = null;
  }

  /** Key of the next command of this name; undefined while no event is being given: then any fresh one will do. */
  next(name: string): string | undefined {
    if (this.eventId === null) return;
    const nth = this.said.get(name) ?? 0;
    this.said.set(name, nth + 1);
    // FNV-1a: within one event 32 bits tell them apart, and the ids of events are random
    let hash = 0x811c9dc5;
    for (const char of `${this.deviceId} ${name} ${nth}`) {
      hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
    }
    const key = uuidToBytes(this.eventId);
    for (let i = 0; i < 4; i++) key[12 + i]! ^= hash >>> (8 * i);
    key[6] = 0x80 | (key[6]! & 0x0f);
    return bytesToUuid(key);
  }
}
