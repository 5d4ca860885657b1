/** The state of a zip code: its first three digits say which sorting centre it is of, and those are of one state each. */

/** Ranges of the first three digits, as the postal service publishes them (Domestic Mail Manual, L002); none in between. */
const PREFIXES =
  '005 NY,006-007 PR,008 VI,009 PR,010-027 MA,028-029 RI,030-038 NH,039-049 ME,050-054 VT,055 MA,056-059 VT,060-069 CT,' +
  '070-089 NJ,090-098 AE,100-149 NY,150-196 PA,197-199 DE,200 DC,201 VA,202-205 DC,206-219 MD,220-246 VA,247-268 WV,' +
  '270-289 NC,290-299 SC,300-319 GA,320-339 FL,340 AA,341-349 FL,350-369 AL,370-385 TN,386-397 MS,398-399 GA,400-427 KY,' +
  '430-459 OH,460-479 IN,480-499 MI,500-528 IA,530-549 WI,550-567 MN,569 DC,570-577 SD,580-588 ND,590-599 MT,600-629 IL,' +
  '630-658 MO,660-679 KS,680-693 NE,700-714 LA,716-729 AR,730-731 OK,733 TX,734-749 OK,750-799 TX,800-816 CO,820-831 WY,' +
  '832-838 ID,840-847 UT,850-865 AZ,870-884 NM,885 TX,889-898 NV,900-961 CA,962-966 AP,967-968 HI,969 GU,970-979 OR,' +
  '980-994 WA,995-999 AK';

const BY_PREFIX = new Map(
  PREFIXES.split(',').flatMap(entry => {
    const [range = '', state = ''] = entry.split(' ');
    const [first = '', last = first] = range.split('-');
    const prefixes = Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i);
    return prefixes.map(prefix => [String(prefix).padStart(3, '0'), state] as const);
  }),
);

/** Two letters each, in order: states, the district, territories and the mail of the forces. */
export const STATES: readonly string[] = [...new Set(BY_PREFIX.values())].sort();

/** Null: no zip code of the United States. */
export const stateOfZip = (zip: string): string | null =>
  /^\d{5}(-\d{4})?$/.test(zip) ? (BY_PREFIX.get(zip.slice(0, 3)) ?? null) : null;
