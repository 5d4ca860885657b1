/**
 * Settings of towns of tests, of load and of replays: civilians are told at once which officers share, however few people
 * there are. Never for people: what keeps officers from being found is gone (`actors/area.ts`).
 */
export const OPEN_AREAS: Record<string, string> = {
  HEYBLUE_AREA_PEOPLE: '1',
  HEYBLUE_AREA_DELAY_MIN_S: '0',
  HEYBLUE_AREA_DELAY_MAX_S: '0',
};
