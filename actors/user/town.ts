/** What is the same for everybody, as it is at this moment: another value when an operator changed one. */
import type { Layouts } from '../geo/layout.ts';
import type { Fences } from '../geo/places/fence.ts';
import type { MeetRules } from '../rules.ts';
import type { QrKeys } from './qr.ts';

export interface Town {
  readonly rules: MeetRules;
  readonly keys: QrKeys;
  readonly fences: Fences;
  readonly layouts: Layouts;
}
