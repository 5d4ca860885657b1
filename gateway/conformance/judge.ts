/** What must hold at the end of every script, and what the script says of its own end. */
import { openCommand } from '../../protocol/messages.ts';
import { differs, isCommand, nameFrame } from './frames.ts';
import { KIT } from './limits.ts';
import type { Line } from './line.ts';
import type { Script } from './script.ts';
import type { Labelled } from './stage.ts';
import type { Report } from './subject.ts';

export interface Played {
  readonly script: Script;
  readonly lines: readonly Line[];
  readonly reports: readonly Report[];
  readonly labels: ReadonlyMap<string, Labelled>;
}

const listed = (items: readonly string[]): string => (items.length === 0 ? 'nothing' : items.join(', '));
const compared = (what: string, got: readonly string[], wanted: readonly string[]): string | null => {
  const at = wanted.findIndex((one, i) => one !== got[i]);
  if (at < 0 && got.length === wanted.length) return null;
  return `the app saw ${what}${listed(got)}; right is ${listed(wanted)}`;
};

const durable = (report: Report): string => `${report.event} ${report.offset}`;
const volatile = ({ volatile: name, key, version, body }: Report): string =>
  [name, ...(key === '' || key === undefined ? [] : [key]), body === null ? 'gone' : version].join(' ');

/** Why the end is not the one of the script; null when it is. */
export const outcomes = ({ script, lines, reports }: Played): string | null => {
  const { seen, volatile: latest, answers = {}, ends = 'connected', steps } = script;
  if (seen !== undefined) {
    const wrong = compared('', reports.filter(one => one.event !== undefined).map(durable), seen);
    if (wrong !== null) return wrong;
  }
  if (latest !== undefined) {
    const wrong = compared('', reports.filter(one => one.volatile !== undefined).map(volatile), latest);
    if (wrong !== null) return wrong;
  }
  for (const [label, wanted] of Object.entries(answers)) {
    const got = reports.filter(one => one.answer === label);
    if (got.length !== 1) return `command ${label} was answered ${got.length} times`;
    const why = differs(got[0], wanted);
    if (why !== null) return `the answer to ${label}: ${why}`;
  }
  const state = reports.findLast(one => one.state !== undefined)?.state ?? 'nothing';
  if (state !== ends) return `the client ends ${state}, not ${ends}`;
  const expected = Math.max(1, ...steps.map(step => ('on' in step && step.on) || 1));
  if (lines.length > expected) return `the client connected ${lines.length} times; right is ${expected}`;
  for (const line of lines) {
    const extra = line.heard.find(one => !one.taken && isCommand(nameFrame(one.frame).name));
    if (extra !== undefined)
      return `${nameFrame(extra.frame).name} came on connection ${line.nth}, which nobody asked for`;
  }
  return null;
};

const hellos = (lines: readonly Line[]): string | null => {
  const devices = new Set<string>();
  for (const { nth, heard, upgradedMs } of lines) {
    const [first] = heard;
    if (first === undefined || upgradedMs === null) continue;
    if (first.frame.type !== 'hello') return `the first frame on connection ${nth} is not HELLO`;
    if (first.frame.version !== 1) return `HELLO names version ${first.frame.version}`;
    if (first.atMs - upgradedMs > KIT.helloMs) return `HELLO came late on connection ${nth}`;
    if (heard.filter(one => one.frame.type === 'hello').length > 1) return 'HELLO was said twice';
    devices.add(first.frame.deviceId);
  }
  return devices.size > 1 ? 'the deviceId changed' : null;
};

const commands = (lines: readonly Line[]): string | null => {
  const bodies = new Map<string, string>();
  for (const { nth, heard } of lines) {
    const cids = new Set<number>();
    for (const { frame } of heard) {
      if (frame.type !== 'command') continue;
      const opened = openCommand(frame);
      if (!opened.ok) return `a command is refused: ${opened.message}`;
      if (frame.cid === 0 || cids.has(frame.cid))
        return `cid ${frame.cid} was used twice on connection ${nth}`;
      cids.add(frame.cid);
      if (frame.idem === null) continue;
      const body = `${frame.op} ${JSON.stringify(opened.value.body)}`;
      if ((bodies.get(frame.idem) ?? body) !== body) return 'one key was used for two different commands';
      bodies.set(frame.idem, body);
    }
  }
  return null;
};

const events = (reports: readonly Report[]): string | null => {
  const ids = new Set<unknown>();
  for (const { event, eventId, offset } of reports) {
    if (event === undefined || event === 'snapshot') continue;
    if (typeof eventId !== 'string') return `the report of ${event} ${offset} has no eventId`;
    if (ids.has(eventId)) return `the app saw ${event} ${offset} twice`;
    ids.add(eventId);
  }
  return null;
};

/** What no client may do in any script; null when it kept to it. */
export const invariants = ({ lines, reports }: Played): string | null => {
  const fault = lines.flatMap(line => line.faults)[0];
  if (fault !== undefined) return fault;
  const unreadable = reports.find(one => one.unreadable !== undefined);
  if (unreadable !== undefined) return `a report is not a JSON object: ${unreadable.unreadable}`;
  for (const { nth, heard, saidOffset } of lines) {
    for (const { frame } of heard) {
      if (frame.type === 'ack' && frame.offset > saidOffset)
        return `ACK ${frame.offset} on connection ${nth}, where nothing above ${saidOffset} was said`;
    }
  }
  return hellos(lines) ?? commands(lines) ?? events(reports);
};
