// The permission matrix: one row per operation. docs/permissions.md is made from it, and a test walks every cell over HTTP.

import type { RouteId } from '../../contract/routes.ts'
import type { NeededScope, Permission, Standing, SubjectKind } from './permission.ts'

const everybody = (scope: NeededScope = 'none'): Permission => ({
  on: 'installation',
  public: 'anonymous',
  private: 'anonymous',
  scope,
})
const everyUser = (scope: NeededScope): Permission => ({ on: 'installation', public: 'user', private: 'user', scope })
const administrators = (scope: NeededScope): Permission => ({
  on: 'installation',
  public: 'admin',
  private: 'admin',
  scope,
})
const theCaller = (scope: NeededScope): Permission => ({
  on: 'caller',
  public: 'user',
  private: 'user',
  scope,
  asUser: true,
})
/** The same standing whether it is public or private. */
const owners = (on: SubjectKind, scope: NeededScope): Permission => ({ on, public: 'owner', private: 'owner', scope })
/** Whoever may know of it may read it. */
const readers = (on: SubjectKind, least: Standing): Permission => ({
  on,
  public: least,
  private: 'member',
  scope: 'read',
})

const projectSecrets = readers('project', 'user')
const groupSecrets = readers('projectgroup', 'user')
const runAction: Permission = { ...owners('run', 'run'), orMembersIfAllowed: true }

export const permissions = {
  getIdentity: everybody(),
  login: everybody(),
  beginOAuth2Login: everybody(),
  loginAtRemoteSource: everybody(),
  getRegistration: everybody(),
  register: everybody(),
  logout: everybody(),
  getSetup: everybody(),
  setUp: everybody(),
  listSessions: theCaller('admin'),
  deleteSession: theCaller('admin'),

  getCurrentUser: theCaller('read'),
  listCurrentUserOrganizations: theCaller('read'),
  getHome: theCaller('read'),
  listCurrentUserInvitations: theCaller('read'),
  acceptInvitation: theCaller('admin'),
  rejectInvitation: theCaller('admin'),
  listUsers: administrators('read'),
  createUser: administrators('admin'),
  getUser: everyUser('read'),
  updateUser: administrators('admin'),
  deleteUser: administrators('admin'),
  setPassword: owners('user', 'admin'),
  listTokens: owners('user', 'admin'),
  createToken: owners('user', 'admin'),
  deleteToken: owners('user', 'admin'),
  listLinkedAccounts: owners('user', 'read'),
  // Whoever links an account lets the server act with it: nobody does so for somebody else.
  beginOAuth2Link: theCaller('admin'),
  linkAccount: theCaller('admin'),
  deleteLinkedAccount: owners('user', 'admin'),

  listOrganizations: everyUser('read'),
  createOrganization: everyUser('admin'),
  getOrganization: readers('organization', 'user'),
  updateOrganization: owners('organization', 'admin'),
  deleteOrganization: owners('organization', 'admin'),
  listMembers: readers('organization', 'user'),
  setMember: owners('organization', 'admin'),
  removeMember: owners('organization', 'admin'),
  listInvitations: { ...owners('organization', 'read'), asUser: true },
  createInvitation: { ...owners('organization', 'admin'), asUser: true },
  getInvitation: owners('organization', 'read'),
  deleteInvitation: { ...owners('organization', 'admin'), asUser: true },

  createProjectGroup: { ...owners('parentgroup', 'admin'), asUser: true },
  getProjectGroup: readers('projectgroup', 'user'),
  updateProjectGroup: { ...owners('projectgroup', 'admin'), andDestination: true },
  deleteProjectGroup: owners('projectgroup', 'admin'),
  listSubgroups: readers('projectgroup', 'user'),
  listProjects: readers('projectgroup', 'user'),
  createProject: { ...owners('parentgroup', 'admin'), asUser: true },
  listRemoteRepositories: theCaller('read'),
  getProject: readers('project', 'anonymous'),
  updateProject: { ...owners('project', 'admin'), andDestination: true },
  deleteProject: owners('project', 'admin'),
  reconfigureProject: owners('project', 'admin'),
  setProjectAccount: { ...owners('project', 'admin'), asUser: true },
  setProjectRepository: { ...owners('project', 'admin'), asUser: true },
  getBadge: readers('project', 'anonymous'),

  listProjectSecrets: projectSecrets,
  createProjectSecret: owners('project', 'admin'),
  updateProjectSecret: owners('project', 'admin'),
  deleteProjectSecret: owners('project', 'admin'),
  listProjectVariables: projectSecrets,
  createProjectVariable: owners('project', 'admin'),
  updateProjectVariable: owners('project', 'admin'),
  deleteProjectVariable: owners('project', 'admin'),
  listProjectGroupSecrets: groupSecrets,
  createProjectGroupSecret: owners('projectgroup', 'admin'),
  updateProjectGroupSecret: owners('projectgroup', 'admin'),
  deleteProjectGroupSecret: owners('projectgroup', 'admin'),
  listProjectGroupVariables: groupSecrets,
  createProjectGroupVariable: owners('projectgroup', 'admin'),
  updateProjectGroupVariable: owners('projectgroup', 'admin'),
  deleteProjectGroupVariable: owners('projectgroup', 'admin'),

  // Who did what in a repository is for those who work there.
  listDeliveries: readers('project', 'member'),
  watchDeliveries: readers('project', 'member'),
  redeliver: owners('project', 'run'),
  createWebhookSecret: owners('project', 'admin'),

  // An address may be as good as a password, so owners see receivers; what was told and how it went, members too.
  listReceivers: owners('project', 'read'),
  createReceiver: owners('project', 'admin'),
  getReceiver: owners('project', 'read'),
  updateReceiver: owners('project', 'admin'),
  deleteReceiver: owners('project', 'admin'),
  testReceiver: owners('project', 'admin'),
  listNotifications: readers('project', 'member'),
  watchNotifications: readers('project', 'member'),
  getNotification: readers('project', 'member'),
  resendNotification: owners('project', 'run'),

  listProjectRuns: readers('project', 'user'),
  createProjectRuns: { ...owners('project', 'run'), asUser: true },
  /** In the caller's own name, from the caller's own repositories. */
  createDirectRuns: theCaller('run'),
  getProjectRun: readers('project', 'anonymous'),
  watchProjectRuns: readers('project', 'user'),
  // Runs of a user are nobody else's business.
  listUserRuns: owners('user', 'read'),
  getUserRun: owners('user', 'read'),
  watchUserRuns: owners('user', 'read'),
  /** Each change is told to those who may read its run. */
  watchAllRuns: everyUser('read'),
  getRun: readers('run', 'anonymous'),
  watchRun: readers('run', 'anonymous'),
  restartRun: runAction,
  stopRun: runAction,
  cancelRun: runAction,
  getTask: readers('run', 'anonymous'),
  approveTask: { ...owners('run', 'run'), asUser: true },
  getRelatedRuns: readers('run', 'anonymous'),
  getRunConfig: readers('run', 'anonymous'),
  getRunDefinition: readers('run', 'member'),
  readLog: readers('run', 'anonymous'),
  followLog: readers('run', 'anonymous'),
  getLogSummary: readers('run', 'anonymous'),
  readLogLines: readers('run', 'anonymous'),
  searchLog: readers('run', 'anonymous'),
  findLogGroups: readers('run', 'anonymous'),
  deleteLog: owners('run', 'admin'),

  listRemoteSources: everybody(),
  createRemoteSource: administrators('admin'),
  getRemoteSource: everyUser('read'),
  updateRemoteSource: administrators('admin'),
  deleteRemoteSource: administrators('admin'),

  listExecutors: administrators('read'),
  drainExecutor: administrators('admin'),
  removeExecutor: administrators('admin'),
  listExecutorTokens: administrators('read'),
  createExecutorToken: administrators('admin'),
  deleteExecutorToken: administrators('admin'),
  listQueue: administrators('read'),
  watchInstallation: administrators('read'),

  getKeys: administrators('read'),
  rotateKey: administrators('admin'),
  resealValues: administrators('admin'),
  retireKey: administrators('admin'),

  getMaintenance: administrators('read'),
  getDatabaseStatus: administrators('read'),
  startMaintenance: administrators('admin'),
  endMaintenance: administrators('admin'),
  exportData: administrators('admin'),
  importData: administrators('admin'),
  getVersion: everybody(),
  getOpenApi: everybody(),
} as const satisfies Record<RouteId, Permission>
