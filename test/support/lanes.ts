/** Files of tests that run inside workerd at the same time. */
export const lanes = 2
