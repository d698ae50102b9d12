//! Diesel's one schema, for both databases: TEXT ids, UTC timestamps bound from Rust.

diesel::table! {
    users (id) {
        id -> Text,
        username -> Text,
        display_name -> Text,
        email -> Nullable<Text>,
        email_verified_at -> Nullable<Timestamp>,
        password_hash -> Text,
        role -> Text,
        disabled_at -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        unused_since -> Nullable<Timestamp>,
        links_ended_at -> Nullable<Timestamp>,
        undo_closed_until -> Nullable<Timestamp>,
        username_skeleton -> Nullable<Text>,
        roles -> Text,
        claims -> Text,
        claims_version -> Integer,
        language -> Nullable<Text>,
        password_changed_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    logins (id) {
        id -> Text,
        user_id -> Text,
        kind -> Text,
        refresh_hash -> Nullable<Text>,
        previous_hash -> Nullable<Text>,
        rotated_at -> Nullable<Timestamp>,
        user_agent -> Nullable<Text>,
        ip -> Nullable<Text>,
        created_at -> Timestamp,
        last_seen_at -> Timestamp,
        expires_at -> Timestamp,
        revoked_at -> Nullable<Timestamp>,
        revoked_reason -> Nullable<Text>,
    }
}

diesel::table! {
    one_time_tokens (hash) {
        hash -> Text,
        purpose -> Text,
        user_id -> Text,
        email -> Text,
        expires_at -> Timestamp,
        used_at -> Nullable<Timestamp>,
        login_id -> Nullable<Text>,
    }
}

diesel::table! {
    outbox (id) {
        id -> Text,
        kind -> Text,
        user_id -> Text,
        address -> Text,
        attempts -> Integer,
        next_attempt_at -> Timestamp,
        created_at -> Timestamp,
        sent_at -> Nullable<Timestamp>,
        recipient -> Nullable<Text>,
        client -> Nullable<Text>,
        language -> Nullable<Text>,
        login_id -> Nullable<Text>,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        algorithm -> Text,
        key -> Text,
        created_at -> Timestamp,
        retired_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    audit_events (id) {
        id -> Text,
        at -> Timestamp,
        actor -> Nullable<Text>,
        action -> Text,
        subject -> Nullable<Text>,
        ip -> Nullable<Text>,
        detail -> Nullable<Text>,
        actor_id -> Nullable<Text>,
        login_id -> Nullable<Text>,
        request_id -> Nullable<Text>,
        outcome -> Text,
        reason -> Nullable<Text>,
        count -> Integer,
        last_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    failed_attempts (slot) {
        slot -> Text,
        subject -> Text,
        user_id -> Nullable<Text>,
        failures -> Integer,
        failed_at -> Timestamp,
        blocked_until -> Nullable<Timestamp>,
    }
}

diesel::table! {
    request_counts (id) {
        id -> Text,
        hour -> Timestamp,
        action -> Text,
        address -> Text,
        count -> Integer,
    }
}

diesel::table! {
    address_links (hash) {
        hash -> Text,
        email -> Text,
        created_at -> Timestamp,
        not_for -> Text,
        expires_at -> Timestamp,
        used_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    invitations (id) {
        id -> Text,
        hash -> Nullable<Text>,
        email -> Nullable<Text>,
        roles -> Text,
        invited_by -> Nullable<Text>,
        expires_at -> Timestamp,
        used_at -> Nullable<Timestamp>,
        user_id -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    authorization_codes (hash) {
        hash -> Text,
        user_id -> Text,
        login_id -> Text,
        redirect_uri -> Text,
        client -> Text,
        code_challenge -> Text,
        expires_at -> Timestamp,
        used_at -> Nullable<Timestamp>,
        app_login_id -> Nullable<Text>,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        name -> Text,
        hash -> Text,
        previous_hash -> Nullable<Text>,
        previous_until -> Nullable<Timestamp>,
        scopes -> Text,
        addresses -> Nullable<Text>,
        created_by -> Text,
        created_at -> Timestamp,
        expires_at -> Nullable<Timestamp>,
        rotated_at -> Nullable<Timestamp>,
        last_used_at -> Nullable<Timestamp>,
        last_used_ip -> Nullable<Text>,
        revoked_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    login_revocations (number) {
        number -> BigInt,
        login_id -> Text,
        reason -> Nullable<Text>,
        at -> Timestamp,
    }
}

diesel::table! {
    access_changes (number) {
        number -> Integer,
        user_id -> Text,
        claims_version -> Integer,
        roles -> Text,
        claims -> Text,
        at -> Timestamp,
    }
}

diesel::table! {
    events (id) {
        id -> Text,
        seq -> Nullable<BigInt>,
        written -> BigInt,
        at -> Timestamp,
        kind -> Text,
        user_id -> Text,
        login_id -> Nullable<Text>,
        detail -> Nullable<Text>,
    }
}

diesel::table! {
    idempotency_keys (id) {
        id -> Text,
        request -> Text,
        answer -> Nullable<Text>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    room_members (number) {
        number -> BigInt,
        room -> Text,
        user_id -> Text,
        until -> Nullable<Timestamp>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    room_bans (number) {
        number -> BigInt,
        room -> Text,
        user_id -> Text,
        until -> Nullable<Timestamp>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    room_changes (number) {
        number -> BigInt,
        change -> Text,
        room -> Text,
        user_id -> Nullable<Text>,
        at -> Timestamp,
    }
}

diesel::table! {
    room_token_revocations (number) {
        number -> BigInt,
        jti -> Nullable<Text>,
        user_id -> Nullable<Text>,
        issued_before -> Nullable<Timestamp>,
        created_at -> Timestamp,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, logins, one_time_tokens, outbox, audit_events);
