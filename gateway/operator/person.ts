/**
 * What an operator sees of a person: the actor's side and that of every gateway, laid beside each other by device, so that
 * what they disagree about is seen. No place, no balance, no name.
 */
import type { UserInspection } from '../../nodes/gatewayPort.ts';
import type { Refusal, Result } from '../../protocol/errors.ts';
import type { Gathered } from './inquiry.ts';
import type { CloseView, SocketView } from './words.ts';

type At<T> = T & { readonly gateway: string };

export interface DeviceView {
  readonly deviceId: string;
  /** As the actor knows it; null when it does not. */
  readonly attached: UserInspection['sessions'][number] | null;
  readonly away: UserInspection['devicesAway'][number] | null;
  /** As gateways know them; more than one, or one that the actor does not know, is a socket that is about to end. */
  readonly sockets: readonly At<SocketView>[];
  /** The last one here or elsewhere, as long as it is remembered. */
  readonly lastClose: At<CloseView> | null;
}

export interface PersonView {
  readonly userId: string;
  /** Node of the actor; null when nobody owns its shard. */
  readonly node: string | null;
  /** Null when the actor did not answer; then `problem` says why. */
  readonly actor: Omit<UserInspection, 'userId' | 'sessions' | 'devicesAway' | 'balanceVersion'> | null;
  readonly problem: Pick<Refusal, 'code' | 'message'> | null;
  readonly devices: readonly DeviceView[];
  /** Milliseconds for which somebody follows this person; 0: nobody does. */
  readonly traceLeftMs: number;
  /** Gateways that were asked for sockets, and that answered. */
  readonly gateways: { readonly asked: number; readonly answered: number };
}

export const personView = (
  userId: string,
  node: string | null,
  inspected: Result<UserInspection>,
  looked: Gathered<'look'>,
): PersonView => {
  const sockets: At<SocketView>[] = [];
  const closes: At<CloseView>[] = [];
  for (const { gateway, answer } of looked.answers) {
    sockets.push(...answer.sockets.map(one => ({ ...one, gateway })));
    closes.push(...answer.closes.map(one => ({ ...one, gateway })));
  }
  const sessions = inspected.ok ? inspected.value.sessions : [];
  const devicesAway = inspected.ok ? inspected.value.devicesAway : [];
  const ids = new Set([...sessions, ...devicesAway, ...sockets, ...closes].map(one => one.deviceId));
  return {
    userId,
    node,
    actor: inspected.ok ? actorOf(inspected.value) : null,
    problem: inspected.ok ? null : { code: inspected.code, message: inspected.message },
    devices: [...ids].map(deviceId => {
      const of = <T extends { readonly deviceId: string }>(all: readonly T[]): T[] =>
        all.filter(one => one.deviceId === deviceId);
      return {
        deviceId,
        attached: of(sessions)[0] ?? null,
        away: of(devicesAway)[0] ?? null,
        sockets: of(sockets),
        lastClose: of(closes).sort((a, b) => a.agoMs - b.agoMs)[0] ?? null,
      };
    }),
    traceLeftMs: Math.max(0, ...looked.answers.map(one => one.answer.watchLeftMs)),
    gateways: { asked: looked.asked, answered: looked.answered },
  };
};

const actorOf = ({ kind, epoch, offset, ring, presence }: UserInspection): PersonView['actor'] => ({
  kind,
  epoch,
  offset,
  ring,
  presence,
});
