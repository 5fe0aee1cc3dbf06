import type { Workflow } from '../workflows/contract.ts'
import type { Services } from './services.ts'

/** Settings that a service of a workflow's wants, and that are not there. Empty: it may start. */
export const missingSettings = (services: Pick<Services, 'unconfigured'>, { uses }: Workflow): string[] =>
  uses.flatMap((service) => services.unconfigured[service])
