/** What the steps of a script do to phones: the same on virtual time and among real processes. */
import type { Dice } from '../../../nodes/simulation/dice.ts';
import { type AccountKind, PROTOCOL_VERSION } from '../../../protocol/catalogue.ts';
import { encodeClientFrame } from '../../../protocol/codec.ts';
import type { App, AppWorld, Person } from './app.ts';
import { ENDINGS, type Line } from './line.ts';
import { frameOfCommand } from './raw.ts';
import type { Step } from './script.ts';

export interface Stage extends AppWorld {
  readonly dice: Dice;
  readonly apps: readonly App[];
  /** Points for this person, from somebody. */
  give(to: Person, n: number): void;
}

export class Deeds {
  readonly #stage: Stage;
  readonly #twins = new Set<Line>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** False: the step is not about phones. */
  bring({ what, who, n }: Step): boolean {
    const { apps, time } = this.#stage;
    const app = apps[who % apps.length]!;
    switch (what) {
      case 'lose':
        app.line?.cut(ENDINGS[n % ENDINGS.length]!);
        return true;
      case 'kill app':
        app.kill();
        time.after(100 + n * 4, () => app.start());
        return true;
      case 'twin':
        this.#twin(app, null);
        return true;
      case 'say again':
        this.#twin(app, app.last);
        return true;
      case 'stop reading':
        this.#stopReading(app, n);
        return true;
      case 'flood':
        this.#flood(app, n);
        return true;
      case 'network changed':
        app.networkChanged();
        return true;
      case 'background':
        app.setForeground(n % 2 === 0);
        return true;
      case 'leave':
        app.leave();
        time.after(500 + n * 5, () => app.start());
        return true;
      case 'share':
        if (app.walks) void app.command(n % 2 === 0 ? 'location.share' : 'location.stop', {});
        else void app.command('state.get', {}, false);
        return true;
      case 'scan':
        void this.#scan(n);
        return true;
      case 'give':
        this.#stage.give(app.person, n);
        return true;
      default:
        return false;
    }
  }

  /** Nobody is somebody else any more. */
  heal(): void {
    for (const line of this.#twins) line.close();
    this.#twins.clear();
  }

  /** Somebody else speaks as this device, from where it is: the later one of the two stays. */
  #twin(app: App, last: App['last']): void {
    if (app.token === '') return;
    const { urls, dice, time } = this.#stage;
    const line = this.#stage.line(`${app.nick}'`, urls[dice.below(urls.length)]!);
    this.#twins.add(line);
    const { position } = JSON.parse(app.disk.record ?? '{"position":null}') as { position: null };
    // also when it is revoked before the socket is open
    const { token, deviceId } = app;
    line.onopen = () => {
      const hello = { type: 'hello', version: PROTOCOL_VERSION, token, deviceId, app: 'twin' } as const;
      line.send(encodeClientFrame({ ...hello, resume: position }));
    };
    let said = false;
    line.onmessage = () => {
      if (said || last === null) return;
      said = true;
      line.send(frameOfCommand(1, last));
      time.after(dice.between(0, 2_000), () => line.send(frameOfCommand(2, last)));
    };
    time.after(dice.between(500, 6_000), () => line.close());
  }

  /** It is told a lot meanwhile. */
  #stopReading(app: App, n: number): void {
    const { line } = app;
    if (line === null) return;
    const { time } = this.#stage;
    line.read(false);
    for (let i = 0; i < 4 + (n % 12); i++) time.after(i * 40, () => this.#stage.give(app.person, i));
    time.after(500 + n * 8, () => line.read(true));
  }

  /** Says more than it may, faster than it may. */
  #flood(app: App, n: number): void {
    const { line } = app;
    if (line === null) return;
    for (let i = 0; i < 40 + (n % 60); i++) line.send(encodeClientFrame({ type: 'ping', n: i }));
  }

  async #scan(n: number): Promise<void> {
    const of = (kind: AccountKind): App[] =>
      this.#stage.apps.filter(app => app.person.kind === kind && app.isAlive);
    const [officers, civilians] = [of('officer'), of('civilian')];
    if (officers.length === 0 || civilians.length === 0) return;
    const officer = officers[n % officers.length]!;
    const civilian = civilians[Math.floor(n / 7) % civilians.length]!;
    const shown = (await officer.command('qr.show', {}, false)) as { token: string } | null;
    if (shown !== null) await civilian.command('qr.scan', { token: shown.token });
  }
}
