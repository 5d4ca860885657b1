/**
 * One script against one client: a listening socket, the steps in their order, a diary of both sides. It ends with a
 * verdict and never with an exception of the client's making.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesOf, differs, isCommand, mayComeAnyTime, nameFrame } from './frames.ts';
import { invariants, outcomes } from './judge.ts';
import { KIT } from './limits.ts';
import { type HeardFrame, Line, type Reception } from './line.ts';
import type { Hearing, JsonObject, Saying, Script, Step } from './script.ts';
import type { Report, Running, Subject } from './subject.ts';
import { OPCODE } from './wire.ts';

export interface Verdict {
  readonly script: string;
  readonly verdict: 'passed' | 'failed' | 'not tried';
  /** Why not, one sentence; empty when it passed. */
  readonly reason: string;
  readonly ms: number;
  /** What happened, with milliseconds since the start. */
  readonly diary: readonly string[];
}

/** The script cannot go on. */
class Stopped extends Error {
  readonly verdict: 'failed' | 'not tried';
  constructor(reason: string, verdict: 'failed' | 'not tried' = 'failed') {
    super(reason);
    this.verdict = verdict;
  }
}

type Leaving = Extract<Step, { readonly gone: number }>;

/** A command that a script has named. */
export interface Labelled {
  readonly name: string;
  readonly idem: string | null;
  readonly body: string;
  readonly cids: Map<number, number>;
}

export class Stage {
  readonly script: Script;
  readonly lines: Line[] = [];
  readonly reports: (Report & { readonly atMs: number })[] = [];
  readonly labels = new Map<string, Labelled>();
  private readonly diary: string[] = [];
  private readonly subject: Subject;
  private readonly patience: number;
  private readonly startedMs = performance.now();
  private readonly usedReports = new Set<Report>();
  private readonly tokens = new Set<string>();
  private readonly cannot = new Set<string>();
  private readonly wakes = new Set<() => void>();
  private server: Server | null = null;
  private port = 0;
  private reception: Reception = { how: 'upgrade' };
  private readonly knocks: Socket[] = [];
  private knocksTaken = 0;
  private running: Running | null = null;
  private endedBecause: string | null = null;
  private current = 1;
  private stepMs = 0;
  private readonly folder = mkdtempSync(join(tmpdir(), 'heyblue-conformance-'));

  /** @param patience what a client has to do within a time may take so many times as long: for a busy machine */
  constructor(script: Script, subject: Subject, patience = 1) {
    this.script = script;
    this.subject = subject;
    this.patience = patience;
  }

  async play(): Promise<Verdict> {
    let verdict: Verdict['verdict'] = 'passed';
    let reason = '';
    try {
      await this.listen();
      await this.start();
      for (const [nth, step] of this.script.steps.entries()) {
        this.stepMs = performance.now();
        await this.step(step, nth + 1);
      }
      const wrong = await this.outcome();
      if (wrong !== null) throw new Stopped(wrong);
    } catch (error) {
      verdict = error instanceof Stopped ? error.verdict : 'failed';
      reason = (error as Error).message;
    }
    const broken = invariants(this);
    if (broken !== null && verdict !== 'not tried') {
      verdict = 'failed';
      reason = reason === '' ? broken : `${reason}; ${broken}`;
    }
    await this.end();
    const ms = Math.round(performance.now() - this.startedMs);
    return { script: this.script.name, verdict, reason, ms, diary: this.diary };
  }

  /** What is wrong in the end; on a busy machine what has not come yet may still come. */
  private async outcome(): Promise<string | null> {
    await this.sleep(KIT.settleMs);
    const untilMs = performance.now() + KIT.lateMs * (this.patience - 1);
    let wrong = outcomes(this);
    while (wrong !== null && performance.now() < untilMs) {
      await this.changedWithin(50);
      wrong = outcomes(this);
    }
    return wrong;
  }

  note(text: string): void {
    this.diary.push(`${String(Math.round(performance.now() - this.startedMs)).padStart(6)}  ${text}`);
  }

  private async listen(): Promise<void> {
    const server = createServer(socket => this.accept(socket));
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.port, '127.0.0.1', resolve);
    });
    this.port = (server.address() as { port: number }).port;
  }

  private accept(socket: Socket): void {
    const { reception } = this;
    const changed = (): void => this.changed();
    if (reception.how === 'stall' || reception.how === 'http') {
      this.knocks.push(socket);
      this.note('a connection is turned away');
      new Line(socket, 0, reception, changed, () => {});
      return changed();
    }
    const nth = this.lines.length + 1;
    this.lines.push(new Line(socket, nth, reception, changed, text => this.note(text)));
    changed();
  }

  private async start(): Promise<void> {
    this.endedBecause = null;
    const report = (one: Report): void => {
      if (this.reports.length >= KIT.reportsMax) return;
      this.note(`app ${JSON.stringify(one)}`);
      this.reports.push({ ...one, atMs: performance.now() });
      for (const what of [one.cannot ?? []].flat()) this.cannot.add(String(what));
      this.changed();
    };
    const ended = (why: string): void => {
      this.note(`the client has ended: ${why}`);
      this.endedBecause = why;
      this.changed();
    };
    const url = `ws://127.0.0.1:${this.port}/v1/ws`;
    this.running = await this.subject.start(url, this.folder, { report, ended });
  }

  private async end(): Promise<void> {
    const before = this.endedBecause;
    this.running?.tell({ exit: true });
    const untilMs = performance.now() + KIT.leaveMs;
    while (this.endedBecause === null && performance.now() < untilMs) await this.changedWithin(50);
    if (before === null && this.endedBecause === null) this.note('the client did not leave when asked');
    await this.running?.kill();
    for (const line of this.lines) line.destroy();
    for (const knock of this.knocks) knock.destroy();
    this.server?.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private changed(): void {
    for (const wake of this.wakes) wake();
  }

  private changedWithin(ms: number): Promise<void> {
    return new Promise(resolve => {
      const done = (): void => {
        this.wakes.delete(done);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.wakes.add(done);
    });
  }

  /**
   * Waits for `probe` to find something; the sentence says what was missing. That a client has ended is known on another
   * road than what it said, and may be known sooner: nothing more can come when its connections have ended as well.
   */
  private async until<T>(probe: () => T | null, withinMs: number, missing: string): Promise<T> {
    const untilMs = performance.now() + withinMs * this.patience;
    for (;;) {
      const found = probe();
      if (found !== null) return found;
      const fault = this.lines.flatMap(line => line.faults)[0];
      if (fault !== undefined) throw new Stopped(fault);
      if (this.endedBecause !== null && this.lines.every(line => line.ended || line.goneMs !== null))
        throw new Stopped(`${this.endedBecause}; ${missing}`);
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) throw new Stopped(`${missing} within ${withinMs * this.patience} ms`);
      await this.changedWithin(leftMs);
    }
  }

  private async sleep(ms: number): Promise<void> {
    const untilMs = performance.now() + ms;
    for (let leftMs = ms; leftMs > 0; leftMs = untilMs - performance.now()) await this.changedWithin(leftMs);
  }

  private line(on: number | undefined): Line {
    if (on !== undefined) this.current = Math.max(this.current, on);
    const nth = on ?? this.current;
    const line = this.lines[nth - 1];
    if (line === undefined) throw new Stopped(`there is no connection ${nth}`);
    return line;
  }

  private async step(step: Step, nth: number): Promise<void> {
    if ('say' in step) this.say(step);
    else if ('hear' in step) await this.hear(step);
    else if ('close' in step) {
      this.note(`< close ${step.close}`);
      this.line(step.on).close(step.close, step.reason ?? '');
    } else if ('cut' in step) {
      this.note(`connection ${step.on ?? this.current} is cut: ${step.cut}`);
      this.line(step.on).cut(step.cut);
    } else if ('gone' in step) await this.gone(step);
    else if ('alive' in step) {
      const line = this.line(step.alive);
      if (line.closeHeard !== null || line.goneMs !== null)
        throw new Stopped(`step ${nth}: the client has left connection ${step.alive} already`);
    } else if ('silence' in step) await this.silence(step.silence, step.for, step.on);
    else if ('next' in step) await this.next(step);
    else if ('do' in step) {
      this.able(Object.keys(step.do)[0]!);
      this.note(`do ${JSON.stringify(step.do)}`);
      this.running!.tell(step.do);
    } else if ('app' in step) await this.app(step.app, step.within ?? KIT.withinMs);
    else if ('wait' in step) await this.sleep(step.wait);
    else {
      this.able('restart');
      this.note('the app is killed and started again');
      await this.running!.kill();
      await this.start();
    }
  }

  private able(what: string): void {
    if (this.cannot.has(what))
      throw new Stopped(`the client says that it cannot do this: ${what}`, 'not tried');
  }

  private say(saying: Saying): void {
    const line = this.line(saying.on);
    const command = (label: string) => {
      const one = this.labels.get(label);
      const cid = one?.cids.get(line.nth);
      if (one === undefined || cid === undefined) throw new Stopped(`no command ${label} on this connection`);
      return { cid, name: one.name };
    };
    for (let i = 0; i < (saying.times ?? 1); i++) {
      const offset = saying.offset === undefined ? undefined : saying.offset + i;
      const one = offset === undefined ? saying : { ...saying, offset };
      const bytes = bytesOf({ line, command }, one);
      this.note(`< ${saying.say} ${offset ?? ''} ${Buffer.from(bytes).toString('hex').slice(0, 80)}`);
      line.say(bytes, saying, saying.say === 'TEXT' ? OPCODE.text : OPCODE.binary);
    }
  }

  private async hear(step: Hearing): Promise<void> {
    const { hear, on = this.current, within } = step;
    this.current = Math.max(this.current, on);
    if (hear === 'KNOCK') {
      await this.until(
        () => (this.knocks.length > this.knocksTaken ? this.knocks.length : null),
        within ?? KIT.withinMs,
        'the client did not try to connect',
      );
      this.knocksTaken = this.knocks.length;
      return;
    }
    const withinMs = within ?? (on === 1 && hear === 'HELLO' ? KIT.startMs : KIT.withinMs);
    const heard = await this.until(
      () => this.find(step, on),
      withinMs,
      `${hear} did not come on connection ${on}`,
    );
    heard.taken = true;
    const { name, fields, cid, idem } = nameFrame(heard.frame);
    this.note(`> ${name} ${JSON.stringify({ ...fields, ...(idem !== null && { idem }) })}`);
    this.checked(step, fields, heard.atMs);
    if (heard.frame.type === 'hello') {
      if (step.fresh === true && this.tokens.has(heard.frame.token))
        throw new Stopped('HELLO brought a token that was sent before');
      this.tokens.add(heard.frame.token);
    }
    if (cid !== null) this.label(step, on, { name, idem, body: JSON.stringify(fields), cid });
  }

  private checked({ where, after, hear }: Hearing, fields: JsonObject, atMs: number): void {
    const why = where === undefined ? null : differs(fields, where);
    if (why !== null) throw new Stopped(`${hear}: ${why}`);
    const ms = Math.round(atMs - this.stepMs);
    if (after !== undefined && ms < after)
      throw new Stopped(`${hear} came after ${ms} ms, not after ${after}`);
  }

  private label(
    step: Hearing,
    on: number,
    command: { name: string; idem: string | null; body: string; cid: number },
  ): void {
    const { name, idem, body, cid } = command;
    if (step.same !== undefined) {
      const first = this.labels.get(step.same);
      if (first === undefined) throw new Stopped(`no command was named ${step.same}`);
      if (first.idem !== idem) throw new Stopped(`${name} came again with another key`);
      if (first.body !== body) throw new Stopped(`${name} came again with another body`);
      first.cids.set(on, cid);
    }
    if (step.as !== undefined) this.labels.set(step.as, { name, idem, body, cids: new Map([[on, cid]]) });
  }

  /** The first frame of that name that nobody has asked for; of those that may come any time, the first that fits. */
  private find({ hear, where }: Hearing, on: number): HeardFrame | null {
    for (const one of this.lines[on - 1]?.heard ?? []) {
      if (one.taken) continue;
      const { name, fields } = nameFrame(one.frame);
      if (name !== hear) continue;
      if (!mayComeAnyTime(name) || where === undefined || differs(fields, where) === null) return one;
    }
    return null;
  }

  private async gone({ gone: nth, within = KIT.withinMs, codes, not = [] }: Leaving): Promise<void> {
    const left = (): Line | null => {
      const line = this.lines[nth - 1];
      return line !== undefined && (line.closeHeard !== null || line.goneMs !== null) ? line : null;
    };
    const line = await this.until(left, within, `the client did not leave connection ${nth}`);
    const code = line.closeHeard?.code ?? 1006;
    if ((codes !== undefined && !codes.includes(code)) || not.includes(code))
      throw new Stopped(`the client left connection ${nth} with ${code}`);
  }

  private async silence(what: string, forMs: number, on = this.current): Promise<void> {
    const lines = this.lines.length;
    const reports = this.reports.length;
    const old = new Set(this.lines.flatMap(line => line.heard));
    const knocks = this.knocks.length;
    await this.sleep(forMs);
    if (what === 'connection' && (this.lines.length > lines || this.knocks.length > knocks))
      throw new Stopped(`the client connected again within ${forMs} ms`);
    if (what === 'event') {
      const seen = this.reports.slice(reports).find(one => one.event !== undefined);
      if (seen !== undefined) throw new Stopped(`the app was given ${seen.event} ${seen.offset ?? ''}`);
    }
    for (const one of this.lines[on - 1]?.heard ?? []) {
      const { name } = nameFrame(one.frame);
      if (!old.has(one) && (name === what || (what === 'COMMAND' && isCommand(name))))
        throw new Stopped(`${name} came within ${forMs} ms`);
    }
  }

  private async next(step: Step & { readonly next: string }): Promise<void> {
    this.note(`from now on: ${step.next}`);
    if (step.next === 'refuse') {
      this.server?.close();
      this.server = null;
      return;
    }
    if (this.server === null) await this.listen();
    this.reception =
      step.next === 'http'
        ? {
            how: 'http',
            status: (step as { status: number }).status,
            retryAfterS: (step as { retryAfterS?: number }).retryAfterS ?? null,
          }
        : { how: step.next as 'upgrade' | 'bytewise' | 'stall' };
  }

  private async app(wanted: JsonObject, withinMs: number): Promise<void> {
    const found = (): Report | null =>
      this.reports.find(one => !this.usedReports.has(one) && differs(one, wanted) === null) ?? null;
    this.usedReports.add(await this.until(found, withinMs, `the app did not see ${JSON.stringify(wanted)}`));
  }
}
