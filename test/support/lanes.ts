/** Files of tests that run at the same time. */
export const lanes = 2
