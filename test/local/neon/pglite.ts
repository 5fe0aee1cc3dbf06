import { PGlite, type ExecProtocolOptionsStream } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import { initializedFiles } from './initialized.ts'

/** The messages after which another client may go on; a start-up message has no type and begins with its length. */
const CYCLE_ENDS = new Set(['\0', 'Q', 'S', 'X', 'p'].map((type) => type.charCodeAt(0)))

/**
 * PGlite has one session, which the socket server shares among its connections message by message. It keeps to one
 * connection only while that connection is in a transaction; a Parse of one client can therefore meet the Bind of
 * another when a large parameter arrives in several pieces. Here a connection keeps the session until its Sync.
 */
class SharedPGlite extends PGlite {
  #midCycle = false

  override isInTransaction(): boolean {
    return this.#midCycle || super.isInTransaction()
  }

  override async execProtocolRawStream(
    message: Uint8Array,
    options: ExecProtocolOptionsStream,
  ): Promise<void> {
    this.#midCycle = !CYCLE_ENDS.has(message[0] ?? 0)
    await super.execProtocolRawStream(message, options)
  }
}

/** An empty in-memory Postgres on a free loopback port. */
export async function openPGlite(): Promise<{ host: string; close(): Promise<void> }> {
  const db = new SharedPGlite({
    loadDataDir: await initializedFiles(),
    // Its files are in memory as well; to clear 128 MB would be half of the start.
    startParams: [...PGlite.defaultStartParams, '-c', 'shared_buffers=32MB'],
  })
  await db.waitReady
  const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port: 0, maxConnections: 100 })
  await server.start()
  return {
    host: server.getServerConn(),
    close: async () => {
      await server.stop()
      await db.close()
    },
  }
}
