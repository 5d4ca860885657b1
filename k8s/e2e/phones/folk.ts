/** The people of the town, in PostgreSQL before the first of them connects: some points each, two devices for the charity. */
import { randomUUID } from 'node:crypto';
import type { AccountKind } from '../../../protocol/catalogue.ts';
import { withClient } from '../../swarm/postgres.ts';
import { type SeededAccount, type SeedTarget, seedAccounts } from '../../swarm/seed.ts';
import { givePoints } from '../../swarm/shops.ts';

export interface Device {
  readonly account: SeededAccount;
  readonly nick: string;
  readonly deviceId: string;
}

const KINDS: readonly AccountKind[] = ['officer', 'officer', 'civilian', 'civilian', 'civilian', 'charity'];
const FIRST_POINTS = 1_000;

const LINK = 'insert into user_schema.linked_device (user_id, device_id) values ($1, $2)';
const VERIFY = `insert into giving.catalog (id, kind, name, account, status)
  values ($1, 'charity', $2, $3, 'verified')`;

/** @returns every device of everybody; the first one of the charity stands before its second */
export const settle = async (target: SeedTarget): Promise<Device[]> => {
  const accounts = await seedAccounts(target, KINDS, 0);
  await givePoints(
    target,
    accounts.filter(one => one.kind !== 'charity'),
    FIRST_POINTS,
  );
  const devices: Device[] = [];
  for (const [i, account] of accounts.entries()) {
    const { userId, kind, handle, deviceId } = account;
    const nick = `${kind[0]}${i + 1}`;
    devices.push({ account, nick, deviceId });
    if (kind !== 'charity') continue;
    const other = `${deviceId}-2`;
    await withClient(target.town.databaseUrl, async client => {
      await client.query(VERIFY, [randomUUID(), `Soup of ${handle}`, userId]);
      await client.query(LINK, [userId, other]);
    });
    devices.push({ account, nick, deviceId: other });
  }
  return devices;
};
