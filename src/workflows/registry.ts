import agentWelcome from './agent-welcome/definition.ts'
import type { Workflow } from './contract.ts'
import welcomePlaceholder from './welcome-placeholder/definition.ts'

/** Every workflow of this Worker. */
export const registry: readonly Workflow[] = [welcomePlaceholder, agentWelcome]
