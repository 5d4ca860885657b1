/** Sessions with everything around them pretended, for tests of what a phone hears and when. */
import type { SessionRef } from '../../nodes/gatewayPort.ts';
import type { ClientFrame, ServerFrame } from '../../protocol/frames.ts';
import type { AccountKind } from '../../protocol/index.ts';
import { createTokens } from '../auth/tokens.ts';
import { LIMITS, RATES } from '../limits.ts';
import type { RealtimeOptions } from '../realtime.ts';
import { Sessions } from '../sessions.ts';
import { counting, FakeDoor, HandClock, signingKey, silent } from './town.ts';
import { Wire } from './wire.ts';

export const USER = '01900000-0000-7000-8000-000000000001';

/** One VOLATILE frame or several in a BATCH, as the phone reads them. */
export const volatilesIn = (frames: readonly ServerFrame[]): (ServerFrame & { type: 'volatile' })[] =>
  frames.flatMap(frame =>
    frame.type === 'batch' ? volatilesIn(frame.frames) : frame.type === 'volatile' ? [frame] : [],
  );

export class Stage {
  readonly clock = new HandClock();
  readonly door = new FakeDoor();
  readonly metrics = counting();
  readonly tokens = createTokens([signingKey()], 86_400, this.clock.nowMs);
  readonly sessions: Sessions;
  private made = 0;

  constructor(rest: Partial<RealtimeOptions> = {}) {
    this.sessions = new Sessions({
      gatewayId: 'g1',
      door: this.door,
      clock: this.clock,
      log: silent,
      metrics: this.metrics,
      tokens: this.tokens,
      revocations: { covers: () => false },
      rates: RATES.session,
      origins: ['*'],
      connectionsPerAddress: 100_000,
      wallMs: this.clock.nowMs,
      sessionIds: {
        mint: () => `01900000-0000-4000-8000-${String(++this.made).padStart(12, '0')}`,
        owns: () => true,
      },
      ...rest,
    });
  }

  /** A phone that said HELLO; its token is being verified. */
  async knocking(userId = USER, deviceId = 'phone-1', kind: AccountKind = 'civilian'): Promise<Wire> {
    const token = await this.tokens.mint({ userId, kind, handle: 'ana', deviceId });
    const wire = new Wire(this.sessions);
    wire.say({ type: 'hello', version: 1, token, deviceId, app: 'test', resume: null } satisfies ClientFrame);
    return wire;
  }

  /** One whose actor was asked to attach it, or that was turned away. */
  async phone(userId = USER, deviceId = 'phone-1', kind: AccountKind = 'civilian'): Promise<Wire> {
    const wire = await this.knocking(userId, deviceId, kind);
    while (wire.data!.phase === 'verifying') await new Promise(resolve => setImmediate(resolve));
    return wire;
  }

  /** So many flushes, with the time that passes between them. */
  ticks(count: number): void {
    for (let i = 0; i < count; i++) {
      this.clock.advance(LIMITS.flushMs);
      this.sessions.tick();
    }
  }

  /** Time passes, and deadlines are looked at as often as they are. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= LIMITS.sweepMs) {
      this.clock.advance(Math.min(left, LIMITS.sweepMs));
      this.sessions.sweep();
    }
  }
}

/** Under which name the actor knows this socket. */
export const refOf = (wire: Wire): SessionRef => wire.data!.ref!;
