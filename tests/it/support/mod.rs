//! What the tests share: servers, clients of each transport, and the programs that tests need from outside.

pub mod app;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod connect;
pub mod crash_model;
pub mod database;
pub mod fuzz;
pub mod import;
pub mod logs;
pub mod mailer;
pub mod pgbouncer;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod raw_http;
pub mod redis;
pub mod scenario;
pub mod smtp;
pub mod socketio;
pub mod tcp;
pub mod terminal;
pub mod time;
pub mod tls;
pub mod transports;
pub mod websocket;
