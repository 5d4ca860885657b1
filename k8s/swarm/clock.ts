/** Unix milliseconds with fractions that never go back: of one moment in all processes of a load. */
export const clock = (): number => performance.timeOrigin + performance.now();
