import type { Example } from './calls.ts'

/** Nothing has this id. */
export const nobody = '01a00000-0000-7000-8000-00000000dead'
export const ok = (call: Example['call'] = {}): Example => ({ status: 200, call })
export const created = (call: Example['call']): Example => ({ status: 201, call })
export const refused = (status: number, call: Example['call']): Example => ({ status, call })
