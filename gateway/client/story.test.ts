import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { decodeClientFrame } from '../../protocol/codec.ts';
import { CLOSE } from '../../protocol/errors.ts';
import { encodeReply } from '../../protocol/messages.ts';
import { HeyBlueClient } from './client.ts';
import { EPOCH_A, EPOCH_B, Line } from './testing/phone.ts';

/**
 * Random stories of a phone: events, losses, moves, kills of the app at any moment, slow handlers, slow storage. The app
 * writes what an event means together with the record, and has no line of recovery. Whatever the story, what it wrote
 * is the stream: each event once, in order, nothing left out but what a snapshot stands for.
 */

/** What survives the app: its own state and the client's record, written together. */
interface Disk {
  record: string | null;
  effects: { readonly epoch: string; readonly offset: number; readonly snapshot: boolean }[];
}

const WAIT = [0, 0, 1, 20, 700, 3_000] as const;
const pick = (n: number): number => WAIT[n % WAIT.length]!;
const pause = (ms: number): Promise<void> => new Promise(done => setTimeout(done, ms));

/** The actor and all of its gateways. */
class Server {
  offset = 0;
  epoch = EPOCH_A;
  /** Events before it are not replayed any more. */
  ringFrom = 0;
  /** Milliseconds from HELLO to WELCOME. */
  slowMs = 0;
  /** New sockets are refused. */
  away = false;
  /** Keys that took effect, and how often they were heard. */
  readonly heard = new Map<string, number>();
  private attached: Line | null = null;
  readonly lines: Line[] = [];

  socket(alive: () => boolean) {
    const server = this;
    return class extends Line {
      ended = false;
      constructor() {
        super();
        server.lines.push(this);
        setTimeout(() => (server.away || !alive() ? this.drop(1006) : this.open()), 5);
      }
      override send(data: Uint8Array): void {
        if (!this.ended && alive()) server.hears(this, data);
      }
      override close(): void {
        this.ended = true;
        server.gone(this);
      }
      override drop(code: number): void {
        this.ended = true;
        server.gone(this);
        super.drop(code);
      }
      override say(frame: Parameters<Line['say']>[0]): void {
        if (!this.ended && alive()) super.say(frame);
      }
    };
  }

  gone(line: Line): void {
    if (this.attached === line) this.attached = null;
  }

  /** The network swallows everything from here on, and says nothing. */
  silence(): void {
    if (this.attached === null) return;
    (this.attached as Line & { ended: boolean }).ended = true;
    this.attached = null;
  }

  happen(): void {
    this.offset++;
    this.attached?.event(this.offset);
  }

  repeat(back: number): void {
    if (this.offset > back) this.attached?.event(this.offset - back);
  }

  /** An event that a node loses on its way. */
  lose(): void {
    this.offset++;
  }

  get line(): Line | null {
    return this.attached;
  }

  private hears(line: Line, data: Uint8Array): void {
    const frame = decodeClientFrame(data);
    if (frame.type === 'hello') {
      setTimeout(() => {
        if ((line as { ended?: boolean }).ended) return;
        const older = this.attached;
        this.attached = line;
        const { resume } = frame;
        const resumed =
          resume !== null &&
          resume.epoch === this.epoch &&
          resume.offset >= this.ringFrom &&
          resume.offset <= this.offset;
        line.greet(this.epoch, this.offset, resumed);
        if (!resumed) line.snapshot(this.offset);
        else for (let at = resume.offset + 1; at <= this.offset; at++) line.event(at);
        if (older !== null && older !== line) setTimeout(() => older.drop(CLOSE.replaced), 3);
      }, this.slowMs);
    } else if (frame.type === 'ping') setTimeout(() => line.say({ type: 'pong', n: frame.n }), 1);
    else if (frame.type === 'command' && frame.idem !== null) {
      this.heard.set(frame.idem, (this.heard.get(frame.idem) ?? 0) + 1);
      setTimeout(() => line.say(encodeReply('instant.set', frame.cid, { on: true })), 30);
    }
  }
}

/** One run of the app, until it is killed. */
class Run {
  alive = true;
  readonly client: HeyBlueClient;
  readonly outcomes: Promise<unknown>[] = [];
  private readonly disk: Disk;

  constructor(server: Server, disk: Disk, handlerMs: number, storageMs: number) {
    this.disk = disk;
    this.client = new HeyBlueClient({
      url: 'ws://town',
      deviceId: 'd',
      getToken: () => 'token',
      WebSocket: server.socket(() => this.alive),
      storage: {
        get: () => (storageMs === 0 ? disk.record : pause(storageMs).then(() => disk.record)),
        set: record =>
          storageMs === 0 ? this.write({ record }) : pause(storageMs).then(() => this.write({ record })),
      },
    });
    this.client.on('event', async (message, delivery) => {
      if (!('offset' in message)) return;
      if (handlerMs > 0) await pause(handlerMs);
      const record = delivery.record();
      const { epoch } = JSON.parse(record).position;
      const { offset, name } = message;
      this.write({ record, effects: [...disk.effects, { epoch, offset, snapshot: name === 'snapshot' }] });
      if (handlerMs > 0) await pause(handlerMs);
    });
    this.client.connect();
  }

  /** A dead process writes nothing. */
  private write(change: Partial<Disk>): void {
    if (this.alive) Object.assign(this.disk, change);
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.constant('happen' as const) },
  { weight: 4, arbitrary: fc.constant('wait' as const) },
  fc.constantFrom(
    ...(['drop', 'goaway', 'kill', 'lose', 'duplicate', 'command', 'forget ring', 'new epoch'] as const),
    ...(['slow server', 'away', 'back', 'network', 'silence', 'background'] as const),
  ),
);
const story = fc.array(fc.tuple(step, fc.nat(1_000)), { minLength: 5, maxLength: 40 });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('whatever happens, the app has seen its stream: once, in order, without a gap', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(story, fc.nat(5), fc.nat(5), async (steps, handler, storage) => {
      const server = new Server();
      const disk: Disk = { record: null, effects: [] };
      const start = () => new Run(server, disk, Math.min(pick(handler), 700), Math.min(pick(storage), 20));
      let run = start();
      const issued = new Set<string>();
      for (const [what, n] of steps) {
        await vi.advanceTimersByTimeAsync(pick(n));
        if (what === 'happen') server.happen();
        else if (what === 'wait') await vi.advanceTimersByTimeAsync(n * 20);
        else if (what === 'drop') server.line?.drop([1006, 1012, 4102, 4200, 4105, 4150][n % 6]!);
        else if (what === 'goaway') server.line?.goaway(0, n, 8_000);
        else if (what === 'kill') {
          run.alive = false;
          server.line?.drop(1006);
          run = start();
        } else if (what === 'lose') server.lose();
        else if (what === 'duplicate') server.repeat(n % 3);
        else if (what === 'command') {
          const idem = `01900000-0000-4000-8000-${String(issued.size).padStart(12, '0')}`;
          issued.add(idem);
          void run.client.command('instant.set', { on: true }, { idem, timeoutMs: 300_000 });
        } else if (what === 'forget ring') server.ringFrom = server.offset;
        else if (what === 'new epoch') {
          server.epoch =
            server.epoch === EPOCH_A ? EPOCH_B : `01900000-0000-7000-8000-${String(n).padStart(12, '0')}`;
          server.offset = n % 7;
          server.ringFrom = 0;
          server.line?.drop(1006);
        } else if (what === 'slow server') server.slowMs = pick(n);
        else if (what === 'away') server.away = true;
        else if (what === 'back') server.away = false;
        else if (what === 'network') run.client.networkChanged();
        else if (what === 'silence') server.silence();
        else if (what === 'background') run.client.setForeground(n % 2 === 0);
      }
      // All is well from here; one more event shows what was lost before it.
      server.away = false;
      server.slowMs = 0;
      await vi.advanceTimersByTimeAsync(90_000);
      server.happen();
      await vi.advanceTimersByTimeAsync(60_000);
      run.client.close();
      run.alive = false;

      let [at] = disk.effects;
      expect(at).toMatchObject({ snapshot: true });
      for (const effect of disk.effects.slice(1)) {
        if (effect.snapshot) {
          if (effect.epoch === at!.epoch) expect(effect.offset).toBeGreaterThanOrEqual(at!.offset);
        } else expect(effect).toEqual({ epoch: at!.epoch, offset: at!.offset + 1, snapshot: false });
        at = effect;
      }
      expect(at).toMatchObject({ epoch: server.epoch, offset: server.offset });
      for (const line of server.lines) line.onclose = null;
    }),
    { numRuns: Number(process.env.STORIES ?? 100) },
  );
});
