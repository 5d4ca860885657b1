/** The tables of the ordinary paths as entities. The ledger path does not use them: it is one function call. */
import { defineEntity, type InferEntity, p } from '@mikro-orm/core';

export const User = defineEntity({
  name: 'User',
  schema: 'user_schema',
  tableName: 'users',
  properties: {
    id: p.uuid().primary(),
    kind: p.string(),
    handle: p.string(),
    zip: p.string().nullable(),
    createdAt: p.datetime().fieldName('created_at'),
  },
});
export type User = InferEntity<typeof User>;

export const Officer = defineEntity({
  name: 'Officer',
  schema: 'user_schema',
  tableName: 'officer',
  properties: { userId: p.uuid().primary().fieldName('user_id'), badge: p.string() },
});

export const Device = defineEntity({
  name: 'Device',
  schema: 'user_schema',
  tableName: 'device',
  properties: {
    userId: p.uuid().primary().fieldName('user_id'),
    deviceId: p.string().fieldName('device_id'),
    deviceNumber: p.integer().fieldName('device_number').default(1),
  },
});

export const LinkedDevice = defineEntity({
  name: 'LinkedDevice',
  schema: 'user_schema',
  tableName: 'linked_device',
  properties: {
    userId: p.uuid().primary().fieldName('user_id'),
    deviceId: p.string().primary().fieldName('device_id'),
  },
});

export const StoredCredential = defineEntity({
  name: 'StoredCredential',
  schema: 'identity_schema',
  tableName: 'credential',
  properties: {
    userId: p.uuid().primary().fieldName('user_id'),
    passwordHash: p.text().fieldName('password_hash'),
  },
});

export const RosterBadge = defineEntity({
  name: 'RosterBadge',
  schema: 'identity_schema',
  tableName: 'roster',
  properties: { badge: p.string().primary() },
});

/** Only the columns with which the application may open an account: empty. */
export const NewAccount = defineEntity({
  name: 'NewAccount',
  schema: 'ledger',
  tableName: 'account',
  properties: {
    accountId: p.uuid().primary().fieldName('account_id'),
    limited: p.boolean(),
  },
});

export const OutboxRow = defineEntity({
  name: 'OutboxRow',
  schema: 'ops',
  tableName: 'outbox',
  properties: {
    target: p.smallint().primary(),
    id: p.bigint().autoincrement(),
    keys: p.array().columnType('uuid[]'),
    traces: p.array().columnType('text[]').nullable(),
    payload: p.json().nullable(),
  },
});

export const Encounter = defineEntity({
  name: 'Encounter',
  schema: 'meet',
  tableName: 'encounter',
  properties: {
    id: p.uuid().primary(),
    officer: p.uuid(),
    civilian: p.uuid(),
    method: p.string(),
    cell: p.string(),
    zip: p.string().nullable(),
    at: p.datetime(),
    officerPoints: p.bigint('number').fieldName('officer_points'),
    civilianPoints: p.bigint('number').fieldName('civilian_points'),
  },
});

export const ENTITIES = [
  User,
  Officer,
  Device,
  LinkedDevice,
  StoredCredential,
  RosterBadge,
  NewAccount,
  OutboxRow,
  Encounter,
];
