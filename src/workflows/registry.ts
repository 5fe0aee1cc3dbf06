import agentReview from './agent-review/definition.ts'
import agentWelcome from './agent-welcome/definition.ts'
import type { Workflow } from './contract.ts'
import planUpgrade from './plan-upgrade/definition.ts'
import trialLifecycle from './trial-lifecycle/definition.ts'
import welcomePlaceholder from './welcome-placeholder/definition.ts'

/** Every workflow of this Worker. */
export const registry: readonly Workflow[] = [
  welcomePlaceholder,
  agentWelcome,
  trialLifecycle,
  agentReview,
  planUpgrade,
]
