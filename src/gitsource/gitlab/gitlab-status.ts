// Statuses of commits at GitLab (docs.gitlab.com, "Commits API", "Set commit pipeline status"). GitLab keeps them as jobs of a pipeline
// that belongs to a branch, which has two consequences. A job goes from `pending` to `running` and then ends, so saying the same again
// is refused while it has not ended. And the commits of a merge request from a fork are on no branch of the project.

import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { Json } from '../../lib/json.ts'
import { cutText } from '../cut-text.ts'
import type { CommitStatus, CommitStatusState } from '../provider.ts'
import { idOf, listOf, optionalTextOf } from '../provider-fields.ts'
import { type ProviderHttp, pathSegment } from '../provider-http.ts'
import { at } from '../webhooks/payload.ts'
import { projectPath } from './gitlab-address.ts'

const states: Readonly<Record<CommitStatusState, string>> = {
  queued: 'pending',
  running: 'running',
  success: 'success',
  failed: 'failed',
  error: 'failed',
  cancelled: 'canceled',
}

/** Of description and address each: a longer one is refused. A longer name nobody could read. */
const charactersMax = 255

/** Errors: those of provider.ts. */
export async function setGitlabStatus(
  http: ProviderHttp,
  projectId: string,
  status: CommitStatus,
  signal: AbortSignal,
): Promise<void> {
  if (await post(http, projectId, status, undefined, signal)) return
  const request = await mergeRequestOf(http, projectId, status.commitSha, signal)
  if (request === undefined)
    throw new SlipwayError('provider_refused', `GitLab: no branch has the commit ${status.commitSha}`)
  // Shown at the merge request when it is set where its branch is, which needs the right to push there.
  if (await postInFork(http, status, request, signal)) return
  if (!(await post(http, projectId, status, `refs/merge-requests/${request.iid}/head`, signal)))
    throw new SlipwayError('provider_refused', `GitLab: no branch has the commit ${status.commitSha}`)
}

/** False when the project has no branch with the commit. */
async function post(
  http: ProviderHttp,
  projectId: string,
  status: CommitStatus,
  ref: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const state = states[status.state]
  const body: Json = {
    state,
    name: cutText(status.context, charactersMax),
    description: cutText(status.description, charactersMax),
    // A cut address would lead to somewhere else.
    ...(status.targetUrl === undefined || status.targetUrl.length > charactersMax
      ? {}
      : { target_url: status.targetUrl }),
    ...(ref === undefined ? {} : { ref }),
  }
  const path = `${projectPath(projectId)}/statuses/${pathSegment(status.commitSha)}`
  try {
    const answer = await http.request({ method: 'POST', path, body, isRepeatable: true, answers: [404, 409] }, signal)
    if (answer.status === 409)
      throw new SlipwayError('provider_unavailable', `GitLab: another status of ${status.commitSha} is being set`)
    if (answer.status !== 404) return true
    const words = answer.words()
    if (/References for commit/i.test(words)) return false
    const code = /Project/i.test(words) ? 'remote_repository_not_found' : 'provider_refused'
    throw new SlipwayError(code, `GitLab: POST ${path}: ${words}`)
  } catch (error) {
    if (!isSlipwayError(error, 'provider_refused') || !isThereAlready(error.message, state)) throw error
    return true
  }
}

/** Whether GitLab has that state, or has `running` where it is asked to go back to `pending`, which it cannot. */
function isThereAlready(words: string, state: string): boolean {
  const from = /Cannot transition status via :\w+ from :(\w+)/.exec(words)?.[1]
  return from === state || (from === 'running' && state === 'pending')
}

type MergeRequest = {
  readonly iid: string
  readonly sourceProjectId: string | undefined
  readonly sourceBranch: string | undefined
}

/** One that brings the commit from elsewhere; an open one if there is. */
async function mergeRequestOf(
  http: ProviderHttp,
  projectId: string,
  commitSha: string,
  signal: AbortSignal,
): Promise<MergeRequest | undefined> {
  const path = `${projectPath(projectId)}/repository/commits/${pathSegment(commitSha)}/merge_requests`
  const requests = listOf(await http.json({ method: 'GET', path, query: { per_page: 100 } }, signal))
  const request = requests.find((one) => at(one, 'state') === 'opened') ?? requests[0]
  if (request === undefined) return undefined
  // Null once the fork was deleted.
  const hasSource = at(request, 'source_project_id') !== null
  return {
    iid: idOf(request, 'iid'),
    sourceProjectId: hasSource ? idOf(request, 'source_project_id') : undefined,
    sourceBranch: optionalTextOf(request, 'source_branch'),
  }
}

async function postInFork(
  http: ProviderHttp,
  status: CommitStatus,
  { sourceProjectId, sourceBranch }: MergeRequest,
  signal: AbortSignal,
): Promise<boolean> {
  if (sourceProjectId === undefined) return false
  try {
    return await post(http, sourceProjectId, status, sourceBranch, signal)
  } catch (error) {
    if (isSlipwayError(error, 'provider_refused', 'remote_repository_not_found')) return false
    throw error
  }
}
