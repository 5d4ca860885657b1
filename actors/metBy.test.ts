/** Operators change the numbers of meeting: each encounter by proximity names the version by which its two stood together. */
import { expect, test } from 'vitest';
import { SmallTown, type TownPhone } from '../nodes/testing/smallTown.ts';
import { proximityRules } from './geo/rules.ts';
import { regionBehaviour } from './region.ts';

const S = 1_000;

test('of two encounters with another rule in between each names its own', async () => {
  let rules = proximityRules({ dwellMs: 60 * S });
  const town = new SmallTown(
    {},
    { adapt: behaviours => ({ ...behaviours, region: regionBehaviour(() => rules) }) },
  );
  const officer = await town.phone('officer');
  await officer.command('location.share', {});
  await officer.command('instant.set', { on: true });

  /** How long they stood there until it counted, and by which version. */
  const meets = async (civilian: TownPhone) => {
    await civilian.command('instant.set', { on: true });
    const fromMs = town.time.nowMs();
    for (let i = 0; i < 20 && civilian.events('encounter.completed').length === 0; i++) {
      await town.time.advance(10 * S);
      for (const phone of [officer, civilian]) await phone.report(i % 2);
    }
    const [met] = civilian.events('encounter.completed');
    const movement = await town.people.movement(String(met?.encounterId));
    return { seconds: Math.round((town.time.nowMs() - fromMs) / S), encounter: movement?.encounter };
  };

  const first = await meets(await town.phone('civilian'));
  expect(first.encounter).toMatchObject({
    ...{ method: 'proximity', metBy: { id: 'proximity.notify', version: 1 } },
  });
  rules = proximityRules({ dwellMs: 20 * S, rule: { id: 'proximity.notify', version: 2 } });
  const second = await meets(await town.phone('civilian'));
  expect(second.encounter).toMatchObject({ metBy: { id: 'proximity.notify', version: 2 } });
  expect(second.seconds).toBeLessThan(first.seconds);

  const officerShows = await officer.command('qr.show', {});
  const third = await town.phone('civilian');
  const scanned = await third.command('qr.scan', { token: officerShows.ok ? officerShows.value.token : '' });
  const code = await town.people.movement(scanned.ok ? scanned.value.encounterId : '');
  expect(code?.encounter).toMatchObject({ method: 'qr', metBy: null });
});
