import { adminToken, type Stack } from '../stack.ts'
import { showDatabase } from '../postgres-url.ts'

/** What each service is and where, one line each. */
export function describeServices(stack: Stack, workerUrl: string): string {
  const { neon, redis, qstash, model, mail, payments, bindings } = stack
  const lines = {
    Worker: `${workerUrl} (wrangler dev)`,
    Postgres:
      neon.backend === 'PGlite'
        ? `embedded PGlite, in memory: ${neon.postgresUrl}`
        : `real, ${showDatabase(neon.postgresUrl)}`,
    Redis: redis.backend === 'Redis' ? 'real' : 'embedded, in memory',
    QStash: qstash === null ? `external, ${bindings.QSTASH_URL}` : `local stand-in, ${qstash.url}`,
    Model: `local stand-in, ${model.url}`,
    Mail: `local stand-in, ${mail.url}; what it sent: ${mail.url}/local/sent`,
    Payments: `local stand-in, ${payments.url}; its books: ${payments.url}/local/payments`,
  }
  return Object.entries(lines)
    .map(([name, what]) => `  ${name.padEnd(10)}${what}`)
    .join('\n')
}

/** It is QStash's clock alone that skips. */
const skipping = ({ url, token }: { url: string; token: string }, admin: string, workerUrl: string) => `
  Begin to accompany trials, and skip a week of QStash's clock (the Worker's and the database's go on as ever; a sleep of more
  than a week takes two skips, and an approval that is waited for then has expired):
    ${admin} -X POST ${workerUrl}/api/admin/workflows/trial-lifecycle/batches
    ${admin} '${workerUrl}/api/admin/batches?open=true'
    curl -s -H 'authorization: Bearer ${token}' -d '{"ms":604800000}' ${url}/local/clock/advance`

/** Commands to try on a Worker that is up. */
export function describeCommands({ qstash, mail, payments }: Stack, workerUrl: string): string {
  const admin = `curl -s -H 'authorization: Bearer ${adminToken}'`
  return `  Admin token: ${adminToken}

  Preview, then start a batch:
    ${admin} -d '{"dryRun":true}' ${workerUrl}/api/admin/workflows/welcome-placeholder/batches
    ${admin} -X POST ${workerUrl}/api/admin/workflows/welcome-placeholder/batches
  Watch the latest batch:
    ${admin} '${workerUrl}/api/admin/batches?limit=1'
  Read a result:
    curl -s ${workerUrl}/api/users/u000001/welcome-placeholders
  Trigger a cron tick:
    curl -s '${workerUrl}/cdn-cgi/handler/scheduled?cron=30+3+*+*+*'
  Decline the next card, have the mail service ask for patience, then upgrade plans and see what failed:
    curl -s -d '{"rules":[{"declined":"insufficient_funds","times":1}]}' ${payments.url}/local/faults
    curl -s -d '{"rules":[{"status":429,"retryAfterSeconds":20,"times":2}]}' ${mail.url}/local/faults
    ${admin} -X POST ${workerUrl}/api/admin/workflows/plan-upgrade/batches
    ${admin} '${workerUrl}/api/admin/batches?workflow=plan-upgrade&limit=1'
    ${admin} ${workerUrl}/api/admin/batches/ID/failures
  Stop it, or everything, and let it go on:
    ${admin} -X POST ${workerUrl}/api/admin/batches/ID/pause
    ${admin} -X POST ${workerUrl}/api/admin/batches/ID/resume
    ${admin} -X PUT -d '{"on":true}' ${workerUrl}/api/admin/kill-switches/all
    ${admin} -X PUT -d '{"on":false}' ${workerUrl}/api/admin/kill-switches/all${qstash === null ? '' : skipping(qstash, admin, workerUrl)}
  Review submitted agents, see what waits for a decision, and decide:
    ${admin} -X POST ${workerUrl}/api/admin/workflows/agent-review/batches
    ${admin} '${workerUrl}/api/admin/approvals?status=pending'
    ${admin} -d '{"decision":"approved"}' ${workerUrl}/api/admin/approvals/ID`
}
