import { z } from 'zod'
import { PermanentError } from '../errors.ts'

/** The engine's own steps have a colon, or one of these names. */
const taken = new Set(['claim', 'save', 'undo', 'anew'])

/** What a step, and so an event, may be called. */
export const stepName = z
  .string()
  .regex(
    /^[a-zA-Z0-9][a-zA-Z0-9 ._-]{0,99}$/,
    'is no name of a step: 1 to 100 letters, digits, spaces, . _ -',
  )
  .refine((name) => !taken.has(name), 'is a name of the engine’s')

/** @throws PermanentError when a step must not be called so. */
export function checkName(name: string): void {
  const { error } = stepName.safeParse(name)
  if (error !== undefined) throw new PermanentError(`${JSON.stringify(name)} ${error.issues[0]?.message}`)
}
