//! What of each event's body goes into a CloudEvent, after the adapter that the CloudEvents project has written down:
//! <https://github.com/cloudevents/spec/blob/main/cloudevents/adapters/github.md>
//!
//! Events that are not listed, and what a row does not say, are as [`event`] has it. Where the adapter takes the current
//! time, the plugin takes the delivery's.

/// JSON Pointers into the body of an event.
pub(crate) struct Row {
    pub(crate) event: &'static str,
    /// What follows the event's name in its kind.
    pub(crate) kind: &'static [&'static str],
    pub(crate) source: &'static str,
    /// Empty for none.
    pub(crate) subject: &'static str,
    /// The first one that is there; empty for none.
    pub(crate) times: [&'static str; 2],
}

/// The row of an event.
pub(crate) fn row(name: &str) -> &'static Row {
    ROWS.iter().find(|row| row.event == name).unwrap_or(&ANY)
}

const fn event(name: &'static str) -> Row {
    Row { event: name, kind: &["/action"], source: "/repository/url", subject: "", times: ["", ""] }
}

impl Row {
    const fn kind(self, kind: &'static [&'static str]) -> Row {
        Row { kind, ..self }
    }

    const fn source(self, source: &'static str) -> Row {
        Row { source, ..self }
    }

    const fn subject(self, subject: &'static str) -> Row {
        Row { subject, ..self }
    }

    const fn times(self, first: &'static str, second: &'static str) -> Row {
        Row { times: [first, second], ..self }
    }
}

static ANY: Row = event("");

#[rustfmt::skip]
static ROWS: [Row; 68] = [
    event("branch_protection_rule").subject("/rule/id").times("/rule/updated_at", "/rule/updated_at"),
    event("check_run").subject("/check_run/id").times("/check_run/completed_at", "/check_run/started_at"),
    event("check_suite").subject("/check_suite/id").times("/check_suite/updated_at", "/check_suite/updated_at"),
    event("code_scanning_alert").subject("/alert/number"),
    event("commit_comment").source("/comment/url").subject("/comment/id").times("/comment/updated_at", "/comment/updated_at"),
    event("content_reference").subject("/content_reference/id"),
    event("create").kind(&["/ref_type"]).subject("/ref"),
    event("custom_property").subject("/definition/property_name"),
    event("delete").kind(&["/ref_type"]).subject("/ref"),
    event("dependabot_alert").subject("/alert/id"),
    event("deploy_key").subject("/key/id").times("/key/deleted_at", "/key/created_at"),
    event("deployment").kind(&[]).subject("/deployment/id").times("/deployment/updated_at", "/deployment/updated_at"),
    event("deployment_protection_rule").source("/deployment/url").subject("/deployment/id"),
    event("deployment_review").source("/deployment/url").subject("/workflow_run/id"),
    event("deployment_status").kind(&["/deployment_status/state"]).source("/deployment/url").subject("/deployment_status/url").times("/deployment_status/updated_at", "/deployment_status/updated_at"),
    event("discussion").subject("/discussion/id"),
    event("discussion_comment").subject("/discussion/id").times("/comment/updated_at", "/comment/updated_at"),
    event("fork").kind(&[]).subject("/forkee/url").times("/forkee/created_at", "/forkee/created_at"),
    event("github_app_authorization").kind(&[]).source("/sender/url"),
    event("gollum").kind(&[]),
    event("installation").source("/installation/account/url").subject("/installation/id").times("/installation/updated_at", "/installation/updated_at"),
    event("installation_repositories").source("/installation/account/url").subject("/installation/id").times("/installation/updated_at", "/installation/updated_at"),
    event("installation_target").source("/installation/account/url").subject("/installation/id"),
    event("issue_comment").source("/issue/url").subject("/comment/id").times("/comment/updated_at", "/comment/updated_at"),
    event("issues").subject("/issue/number").times("/issue/updated_at", "/issue/updated_at"),
    event("label").subject("/label/name"),
    event("marketplace_purchase").source("/sender/url").subject("/marketplace_purchase/account/login").times("/effective_date", "/effective_date"),
    event("member").subject("/member/login"),
    event("membership").kind(&["/scope", "/action"]).source("/team/url").subject("/member/login"),
    event("merge_group").subject("/merge_group/head_ref"),
    event("meta").subject("/hook_id").times("/hook/updated_at", "/hook/updated_at"),
    event("milestone").subject("/milestone/number").times("/milestone/updated_at", "/milestone/updated_at"),
    event("org_block").source("/organization/url").subject("/blocked_user/login"),
    event("organization").source("/organization/url").subject("/membership/user/login"),
    event("package").subject("/package/id").times("/package/updated_at", "/package/created_at"),
    event("page_build").kind(&[]).subject("/build/url").times("/pusher/updated_at", "/pusher/updated_at"),
    event("project").subject("/project/id").times("/project/updated_at", "/project/updated_at"),
    event("project_card").subject("/project_card/id").times("/project_card/updated_at", "/project_card/updated_at"),
    event("project_column").subject("/project_column/id").times("/project_column/updated_at", "/project_column/updated_at"),
    event("projects_v2").subject("/projects_v2/id").times("/projects_v2/updated_at", "/projects_v2/updated_at"),
    event("projects_v2_item").subject("/projects_v2_item/id").times("/projects_v2_item/updated_at", "/projects_v2_item/updated_at"),
    event("projects_v2_status_update").subject("/projects_v2_status_update/id").times("/projects_v2_status_update/updated_at", "/projects_v2_status_update/updated_at"),
    event("public").kind(&[]).source("/repository/owner/url").subject("/repository/name").times("/repository/updated_at", "/repository/updated_at"),
    event("pull_request").subject("/number").times("/pull_request/updated_at", "/pull_request/updated_at"),
    event("pull_request_review").source("/pull_request/url").subject("/review/id").times("/review/submitted_at", "/review/submitted_at"),
    event("pull_request_review_comment").source("/pull_request/url").subject("/comment/id").times("/pull_request/updated_at", "/pull_request/updated_at"),
    event("pull_request_review_thread").source("/pull_request/url").subject("/pull_request/id"),
    event("push").kind(&[]).subject("/ref"),
    event("registry_package").subject("/registry_package/html_url").times("/registry_package/updated_at", "/registry_package/updated_at"),
    event("release").subject("/release/id").times("/release/published_at", "/release/created_at"),
    event("repository").source("/repository/owner/url").subject("/repository/name").times("/repository/updated_at", "/repository/updated_at"),
    event("repository_advisory").subject("/repository_advisory/ghsa_id").times("/repository_advisory/updated_at", "/repository_advisory/updated_at"),
    event("repository_dispatch").source("/repository/owner/url"),
    event("repository_import").kind(&[]).source("/repository/owner/url").subject("/repository/name").times("/repository/updated_at", "/repository/updated_at"),
    event("repository_ruleset").source("/repository/owner/url").subject("/repository/name").times("/repository/updated_at", "/repository/updated_at"),
    event("repository_vulnerability_alert").subject("/alert/id"),
    event("secret_scanning_alert").subject("/alert/number").times("/alert/updated_at", "/alert/created_at"),
    event("secret_scanning_alert_location").subject("/alert/number").times("/alert/updated_at", "/alert/created_at"),
    event("security_advisory").subject("/security_advisory/ghsa_id").times("/security_advisory/updated_at", "/security_advisory/updated_at"),
    event("security_and_analysis").kind(&[]),
    event("sponsorship").subject("/sponsorship/sponsor/login"),
    event("star").times("/starred_at", "/starred_at"),
    event("status").kind(&[]).subject("/sha").times("/updated_at", "/updated_at"),
    event("team").subject("/team/id").times("/updated_at", "/updated_at"),
    event("team_add").subject("/team/id"),
    event("workflow_dispatch").kind(&[]).subject("/workflow"),
    event("workflow_job").subject("/workflow_job/name"),
    event("workflow_run").subject("/workflow/name"),
];
