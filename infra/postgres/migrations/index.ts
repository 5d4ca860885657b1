/** Every version of the schema, oldest first. A released one is never changed: what comes later is a new one. */
import type { MigrationObject } from '@mikro-orm/core';
import { AnswersOfADay } from './answersOfADay.ts';
import { Audit } from './audit.ts';
import { AuditChain } from './auditChain.ts';
import { Base } from './base.ts';
import { CommitGroup } from './commitGroup.ts';
import { DaySeals } from './daySeals.ts';
import { Erasure } from './erasure.ts';
import { Events } from './events.ts';
import { ExpiredPoints } from './expiredPoints.ts';
import { Giving } from './giving.ts';
import { HoldPositions } from './holdPositions.ts';
import { Holds } from './holds.ts';
import { LinkedDevices } from './linkedDevices.ts';
import { Market } from './market.ts';
import { Notes } from './notes.ts';
import { OfferLimit } from './offerLimit.ts';
import { OutboxByGroup } from './outboxByGroup.ts';
import { Places } from './places.ts';
import { Reservations } from './reservations.ts';
import { Revocations } from './revocations.ts';
import { ScanTimes } from './scanTimes.ts';
import { SchemaVersion } from './schemaVersion.ts';
import { SeenDevices } from './seenDevices.ts';
import { Stamps } from './stamps.ts';
import { Timers } from './timers.ts';
import { UsersDomain } from './usersDomain.ts';

export const MIGRATIONS: readonly MigrationObject[] = [
  { name: '0001-base', class: Base },
  { name: '0002-commit-group', class: CommitGroup },
  { name: '0003-outbox-by-group', class: OutboxByGroup },
  { name: '0004-stamps', class: Stamps },
  { name: '0005-timers', class: Timers },
  { name: '0006-events', class: Events },
  { name: '0007-revocations', class: Revocations },
  { name: '0008-linked-devices', class: LinkedDevices },
  { name: '0009-audit', class: Audit },
  { name: '0010-places', class: Places },
  { name: '0011-seen-devices', class: SeenDevices },
  { name: '0012-holds', class: Holds },
  { name: '0013-scan-times', class: ScanTimes },
  { name: '0014-hold-positions', class: HoldPositions },
  { name: '0015-notes', class: Notes },
  { name: '0016-reservations', class: Reservations },
  { name: '0017-market', class: Market },
  { name: '0019-giving', class: Giving },
  { name: '0020-users-domain', class: UsersDomain },
  { name: '0021-day-seals', class: DaySeals },
  { name: '0024-erasure', class: Erasure },
  { name: '0025-audit-chain', class: AuditChain },
  { name: '0026-expired-points', class: ExpiredPoints },
  { name: '0027-schema-version', class: SchemaVersion },
  { name: '0028-offer-limit', class: OfferLimit },
  { name: '0029-answers-of-a-day', class: AnswersOfADay },
];
