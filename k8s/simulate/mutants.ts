/**
 * The safety mechanisms, each with what it looks like when it is missing. A mutant is a patch of real source text, applied
 * while a worker loads it; a simulation that does not notice that a mechanism is gone proves nothing about it.
 */
import type { Profile } from '../../nodes/simulation/profiles.ts';

export interface Patch {
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  /** What is removed, in words. */
  readonly removes: string;
  readonly patches: readonly Patch[];
  /** The weather in which it shows. */
  readonly profile: Profile;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'deadline check',
    removes: 'a node goes on after its lease ran out',
    patches: [
      {
        file: 'nodes/cluster/clusterCoordinator.ts',
        find: 'return this.#clock.monotonicMs() < this.#lease.deadlineMs;',
        replace: 'return this.#lease.deadlineMs > 0;',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'fence check',
    removes: 'the store takes a commit of an epoch that is not current any more',
    patches: [
      {
        file: 'nodes/memory/memoryLedger.ts',
        find: "if (this.epochOf(shard) !== epoch) return { id: op.id, code: 'stale_epoch' };",
        replace: '',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'output gate',
    removes: 'replies, tells and pushes leave before the commit that they promise',
    patches: [
      {
        file: 'nodes/outputs.ts',
        find: 'if (gate !== null && !gate.open) for (const output of outputs) gate.hold(output);\n    else this.#leave',
        replace: 'void gate;\n    this.#leave',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'what a failed gate holds',
    removes: 'what was held for a commit that failed leaves all the same',
    patches: [
      {
        file: 'nodes/outputs.ts',
        find: '} else {\n      this.#core.leaving.discard(activation, refusal);',
        replace:
          '} else {\n      for (const output of activation.gate!.failed()) this.send(activation, output); this.#core.leaving.discard(activation, refusal);',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'nonce read-back',
    removes: 'a write whose answer was lost counts as done when anything at all stands there',
    patches: [
      {
        file: 'nodes/cluster/storeCalls.ts',
        find: 'if (entry && nonceOf(entry.value) === record.nonce)',
        replace: 'if (entry && nonceOf(entry.value) !== null)',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'idempotency row',
    removes: 'the key of a command is not stored with its effect',
    patches: [
      {
        file: 'nodes/memory/memoryLedger.ts',
        find: 'if (!by) return;\n    const name',
        replace: 'if (!by || by.key) return;\n    const name',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'key makes the id',
    removes: 'a gift asked for again with its key is another gift',
    patches: [
      { file: 'actors/user/points.ts', find: 'id: derivedId(GIVE, me, key),', replace: 'id: turn.newId(),' },
      {
        file: 'nodes/memory/memoryLedger.ts',
        find: "return nothing(op, 'idempotency_conflict');",
        replace: '',
      },
      // what an actor reads of its answers as it starts hides the repeat from both
      {
        file: 'actors/user/hydrated.ts',
        find: 'Answers.of(record.commands.filter(isTold).map(doneOf).reverse(), forgottenMsOf(record))',
        replace: 'Answers.of([], NOTHING_FORGOTTEN)',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'hand-off flush',
    removes: 'a shard is packed while its commits and asks are under way',
    patches: [
      {
        file: 'nodes/handOver.ts',
        find: 'return one.quiet && (',
        replace: "return one.phase === 'active' && (",
      },
    ],
    profile: 'calm',
  },
  {
    name: 'order of release',
    removes: 'the record says released before the shard is closed',
    patches: [
      {
        file: 'nodes/cluster/handoff.ts',
        find: "    if (begun === null) return 'kept';\n    this.#holdings.served[shard] = null;",
        replace:
          "    if (begun === null) return 'kept';\n    await this.#release(shard, epoch, to, true, begun);",
      },
    ],
    profile: 'calm',
  },
  {
    name: 'mailbox bound',
    removes: 'a mailbox takes whatever comes',
    patches: [
      {
        file: 'nodes/mailbox.ts',
        find: 'if (!system && this.size >= this.#capacity) return false;',
        replace: '',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'incarnation in subjects',
    removes: 'what was said to a dead process is heard by its successor',
    patches: [
      {
        file: 'nodes/routing/envelope.ts',
        find: 'export const nodeSubject = (ref: string): string => `hb.n.${ref}`;',
        replace: "export const nodeSubject = (ref: string): string => `hb.n.${ref.split('.')[0]}`;",
      },
      {
        file: 'nodes/routing/links.ts',
        find: "if (batch.to !== (gateway ? gatewayId : this.#ref)) return this.#refuse('incarnation');",
        replace: '',
      },
      {
        // the net below: a link that was given the numbers of another one goes on above them
        file: 'nodes/routing/outLink.ts',
        find: 'const misled = ack.last > this.#number;',
        replace: 'const misled = false;',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'eviction on exact revision',
    removes: 'a node is evicted whatever it renewed since',
    patches: [
      {
        file: 'nodes/cluster/membership.ts',
        find: 'const outcome = await calls.write(nodeKey(id), fenced, revision);',
        replace:
          'const now = await calls.get(nodeKey(id)); const outcome = await calls.write(nodeKey(id), fenced, now.ok && now.value ? now.value.revision : revision);',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'duplicate suppression',
    removes: 'a batch that comes twice is taken twice',
    patches: [
      {
        file: 'nodes/routing/inLink.ts',
        find: "if (number <= this.#last) return this.#holes.includes(number) ? 'late' : 'duplicate';",
        replace: "if (number <= this.#last) return this.#holes.includes(number) ? 'late' : 'taken';",
      },
    ],
    profile: 'swizzle',
  },
  {
    name: 'late batches refused',
    removes: 'a batch that was overtaken is taken after those that overtook it',
    patches: [
      {
        file: 'nodes/routing/inLink.ts',
        find: "if (number <= this.#last) return this.#holes.includes(number) ? 'late' : 'duplicate';",
        replace:
          "if (number <= this.#last) { const late = this.#holes.indexOf(number); if (late < 0) return 'duplicate'; this.#holes.splice(late, 1); return 'taken'; }",
      },
    ],
    profile: 'swizzle',
  },
  {
    name: 'replay order',
    removes: 'missed events are replayed newest first',
    patches: [
      {
        file: 'actors/user/outbox.ts',
        find: 'missed.map(event => event.bytes)',
        replace: 'missed.map(event => event.bytes).reverse()',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'events are stored',
    removes: 'an event that moves no points is told and never stored',
    patches: [
      {
        file: 'actors/user/stream.ts',
        find: "turn.persist({ type: 'event', ...op }, '');",
        replace: 'void [op, turn];',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'events leave when they are stored',
    removes: 'an event is told while the store still works on it',
    patches: [
      {
        file: 'nodes/events/eventWriter.ts',
        find: 'writer.submit(entry, outcome => done(outcome.ok ? judged(outcome) : outcome));',
        replace:
          "done({ ok: true, committed: { id: entry.op.id, code: 'created', atMs: 0, postings: [] } }); writer.submit(entry, outcome => void judged(outcome as never));",
      },
    ],
    profile: 'storm',
  },
  {
    name: 'number of stored events',
    removes: 'a starting actor does not know how many events were stored',
    patches: [
      { file: 'nodes/memory/memoryPeople.ts', find: 'others: newest?.n ?? 0,', replace: 'others: 0,' },
      {
        file: 'nodes/memory/memoryEvents.ts',
        find: "if (op.n !== (rows.at(-1)?.n ?? 0) + 1) return 'exists_with_different_payload';",
        replace: '',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'movements in their order',
    removes: 'a movement is told when it comes, whatever is missing before it',
    patches: [
      {
        file: 'actors/user/stream.ts',
        find: 'if (version > balanceVersion + 1) return waits(state, movement, turn);',
        replace: '',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'movements that nobody told',
    removes: 'the store is never asked for a movement that is missing',
    patches: [
      {
        file: 'actors/user/stream.ts',
        find: 'readMovements(state, turn);\n  return state;',
        replace: 'return state;',
      },
      {
        file: 'nodes/timers/retelling.ts',
        find: 'if (this.#stopped || !coordinator.serving()) return retryMs;',
        replace: 'return retryMs;',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'ring from the store',
    removes: 'a starting actor puts no ring together',
    patches: [
      {
        file: 'actors/user/stream.ts',
        find: 'if (movements.length === 0 && events.length === 0) return',
        replace: 'if (movements.length + events.length >= 0) return',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'place of a stored event',
    removes: 'a starting actor takes movements before stored events, whatever came first',
    patches: [
      {
        file: 'actors/user/stream.ts',
        find: 'if (event && event.after === version) {',
        replace: 'if (event && event.after === version && movement === undefined) {',
      },
      {
        file: 'actors/user/stream.ts',
        find: 'if (event && (event.n !== n || event.after > version)) break;',
        replace: '',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'a successor waits',
    removes:
      'an actor reads the store while operations of its thrown-away predecessor are under way, and the store takes any event',
    patches: [
      {
        file: 'nodes/starting.ts',
        find: 'if (before) before.waiting.push(read);\n    else read();',
        replace: 'void before;\n    read();',
      },
      {
        file: 'nodes/memory/memoryEvents.ts',
        find: "if (op.n !== (rows.at(-1)?.n ?? 0) + 1) return 'exists_with_different_payload';",
        replace: '',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'look-up instead of a guess',
    removes: 'a commit whose answer was lost is called rejected',
    patches: [
      {
        file: 'nodes/ledgerWriter.ts',
        find: "if (fault.fault === 'unknown') rest = await this.#lookUp(rest);",
        replace:
          "if (fault.fault === 'unknown') { for (const one of rest) this.#tell(one.done, { ok: false, reason: 'rejected', message: 'lost' }); return; }",
      },
    ],
    profile: 'storm',
  },
  {
    name: 'parcels of the epoch before',
    removes: 'what was shipped once is used whenever the shard is opened',
    patches: [
      {
        file: 'nodes/cluster/parcels.ts',
        find: 'else this.#shipments.delete(shard);',
        replace: '',
      },
      {
        file: 'nodes/cluster/parcels.ts',
        find: 'if (atMs < oldestMs) this.#shipments.delete(shard);',
        replace: 'void [shard, atMs, oldestMs];',
      },
      {
        file: 'nodes/cluster/parcels.ts',
        find: '    const shipment = this.#shipments.get(shard);\n    this.#shipments.delete(shard);\n',
        replace: '    const shipment = this.#shipments.get(shard);\n',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'cooldown of a pair',
    removes: 'a pair may score again at once',
    patches: [
      {
        file: 'nodes/memory/memoryLedger.ts',
        find: "return op.type === 'encounter' && this.#cooling(op) ? 'cooldown' : null;",
        replace:
          "return op.type === 'encounter' && this.#cooling(op) && op.cooldownS < 0 ? 'cooldown' : null;",
      },
    ],
    profile: 'calm',
  },
  {
    name: 'insufficient points',
    removes: 'neither the actor nor the store asks whether the points are there',
    patches: [
      {
        file: 'actors/user/points.ts',
        find: 'return points > spendablePoints(state, nowMs) ? NOT_ENOUGH : null;',
        replace: 'return points > spendablePoints(state, nowMs) + 1e9 ? NOT_ENOUGH : null;',
      },
      {
        file: 'nodes/memory/memoryLedger.ts',
        find: 'account.balance - account.reserved + delta < 0',
        replace: 'account.balance - account.reserved + delta < -1e9',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'exit of who leaves',
    removes: 'a region forgets somebody who left, and with whom he was',
    patches: [
      {
        file: 'actors/geo/matcher.ts',
        find: "      pairs.end(slot, null, 'left');",
        replace: '      pairs.slots.close(slot, members.whole);',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'dwells of a region that moves',
    removes: 'a region that moves to another node forgets who stands together',
    patches: [
      {
        file: 'actors/geo/matcherPacking.ts',
        find: '] of packed.slots) {',
        replace: '] of packed.slots.slice(1)) {',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'dwells over a border',
    removes: 'an officer who crosses into another region leaves his dwells behind',
    patches: [
      {
        file: 'actors/geo/departure.ts',
        find: 'return { slots: taken.reverse(), officer };',
        replace: 'return { slots: taken.slice(1), officer };',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'what a divided region knew',
    removes:
      'a region that is divided, or becomes a part of another one, leaves nothing to those in its place',
    patches: [
      {
        file: 'actors/regionDivision.ts',
        find: '  if (matcher.members.count > 0) {\n    const holder',
        replace:
          '  state.matcher = parts.fresh(ground.cell);\n  if (state.matcher.members.count > 0) {\n    const holder',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'reach over the borders of quads',
    removes: 'a civilian is told to the quad that holds him alone',
    patches: [
      {
        file: 'actors/geo/publish.ts',
        find: ': pathsWithin(laid, one, lat, lng, reachM).map(',
        replace: ': pathsWithin(laid, one, lat, lng, 0).map(',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'signposts',
    removes: 'a region that is none any more passes nothing on',
    patches: [
      {
        file: 'actors/regionDivision.ts',
        find: 'else if (version < division.layout.version) passOn(state, message, parts, turn);',
        replace: '',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'dwell',
    removes: 'who comes close has met',
    patches: [
      {
        file: 'actors/geo/pairs.ts',
        find: 'if (slots.dwellMs(slot) < rules.dwellMs) return;',
        replace: 'void rules;',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'fixes by their time',
    removes:
      'a region counts the positions of a person, and takes none of his next actor, which counts from the beginning',
    patches: [
      {
        file: 'actors/geo/members.ts',
        find: 'if (takenAtMs < last || (takenAtMs === last && seq <= numbers[NUMBERS * index + SEQ]!)) return NIL;',
        replace: 'if (seq <= numbers[NUMBERS * index + SEQ]!) return NIL;',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'a waiting scan is durable',
    removes: 'an uploaded scan waits in the memory of an actor alone',
    patches: [
      {
        file: 'actors/user/offlineScan.ts',
        find: 'turn.durableTimer(SCAN_TIMER + encounterId, rules.scanSettleS * 1_000, scan);',
        replace: 'turn.nowMs + rules.scanSettleS * 1_000;',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'refusal of a scan',
    removes: 'a scan that came to nothing is forgotten without a word',
    patches: [
      {
        file: 'actors/user/offlineScan.ts',
        find: 'if (result.ok || told) {',
        replace: 'if (told || true) {',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'scans by their own time',
    removes: 'a scan that is uploaded late counts when it is settled, not when it was made',
    patches: [
      {
        file: 'actors/pair/weighing.ts',
        find: 'if (op.scannedAtMs === undefined) return decide(state, tag, one, rules, turn);',
        replace: 'if (lookBack !== null) return decide(state, tag, one, rules, turn);',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'no position when hidden',
    removes: 'positions are taken in every mode',
    patches: [
      {
        file: 'actors/user/place.ts',
        find: "if (mode !== 'precise' && mode !== 'coarse') return refuse(ERROR.conflict, 'the position is not shared');",
        replace: 'void mode;',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'snap of a coarse position',
    removes: 'a position in mode coarse is matched as it is',
    patches: [
      {
        file: 'actors/user/place.ts',
        find: "if (state.mode === 'coarse') return locatedCoarse(state, message, takenAtMs, rules, turn);",
        replace: 'void locatedCoarse;',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'regions forget who is off',
    removes: 'a change of mode tells no region',
    patches: [
      {
        file: 'actors/user/place.ts',
        find: 'if (state.track) publishLeave(turn, state.track, state.walked);',
        replace: 'void publishLeave;',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'areas forget who is off',
    removes: 'a change of mode tells no area',
    patches: [
      {
        file: 'actors/user/around.ts',
        find: 'leaveAreas(turn, state.me.id, state.around);',
        replace: 'void leaveAreas;',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'mode over a kill',
    removes: 'a mode is kept in memory alone',
    patches: [
      {
        file: 'actors/user/modeMemory.ts',
        find: 'const timer = BY_SILENCE.map(name => timers.find(one => one.name === name)).find(one => one !== undefined);',
        replace: 'const timer = [...timers.slice(0, 0)][0];',
      },
    ],
    profile: 'storm',
  },
  {
    name: 'a hub that is left',
    removes: 'an officer who leaves a hub tells nobody',
    patches: [
      {
        file: 'actors/user/hub.ts',
        find: "turn.tell({ kind: 'area', id: hub.area }, closed);",
        replace: 'void closed;',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'hold',
    removes: 'the store pays what it was told to hold',
    patches: [
      {
        file: 'nodes/memory/memoryLedger.ts',
        find: "if (op.type === 'encounter' && op.trust) return this.#hold(shard, op);",
        replace: '',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'first verdict',
    removes: 'the store takes a second verdict about what is decided',
    patches: [
      {
        file: 'nodes/memory/memoryLedger.ts',
        find: "if (hold?.verdict !== 'held' || hold.canonical",
        replace: 'if (!hold || hold.canonical',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'both hear the verdict',
    removes: 'the civilian is not told what became of what was held',
    patches: [{ file: 'actors/review.ts', find: "  tell(civilian, 'civilian', officer);", replace: '' }],
    profile: 'calm',
  },
  {
    name: 'points set aside',
    removes: 'an actor lets go of points that wait at a till',
    patches: [
      {
        file: 'actors/user/points.ts',
        find: 'newest(state).balance - setAside(state.spending) -',
        replace: 'newest(state).balance + 0 * setAside(state.spending) -',
      },
    ],
    profile: 'calm',
  },
  {
    name: 'end of a redemption',
    removes: 'the timer of a redemption ends nothing',
    patches: [
      {
        file: 'actors/user/redeemed.ts',
        find: "turn.persist(voidOf({ id, user: state.me.id }, 'expired'), OVER + id);",
        replace: 'turn.reply(ok({}));',
      },
    ],
    profile: 'calm',
  },
];

export function mutantByName(name: string): Mutant {
  const mutant = MUTANTS.find(one => one.name === name);
  if (!mutant) throw new Error(`there is no mutant "${name}"`);
  return mutant;
}
