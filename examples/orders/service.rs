//! A service of orders: who logs in makes, reads, lists, changes and removes them. It keeps them in
//! SQLite, in memory, and each service has a database of its own.

use std::{
    fmt::Write,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, Query, State},
    http::{
        StatusCode,
        header::{AUTHORIZATION, LOCATION},
        request::Parts,
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

/// Orders that are there before anybody made one.
const ORDERS: u32 = 200;

const TABLES: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, \
     item TEXT NOT NULL, quantity INTEGER NOT NULL); \
     CREATE TABLE sessions (token TEXT PRIMARY KEY) WITHOUT ROWID;";

/// What all requests share.
struct Shop {
    database: Mutex<Connection>,
    /// Of the one user, `ada`.
    password: String,
}

type Shared = State<Arc<Shop>>;

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

#[derive(Serialize)]
struct Session {
    token: String,
}

#[derive(Deserialize)]
struct NewOrder {
    item: String,
    quantity: u32,
}

#[derive(Serialize)]
struct Order {
    id: i64,
    item: String,
    quantity: u32,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    after: i64,
}

/// Whoever has a token of a login.
struct User;

/// What went wrong: the status tells it.
struct Failure(StatusCode);

impl From<rusqlite::Error> for Failure {
    fn from(_: rusqlite::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl Shop {
    fn with<R>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<R>) -> Result<R, Failure> {
        Ok(work(&self.database.lock().unwrap_or_else(PoisonError::into_inner))?)
    }
}

impl FromRequestParts<Arc<Shop>> for User {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, shop: &Arc<Shop>) -> Result<Self, Failure> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
        let token = header.and_then(|it| it.strip_prefix("Bearer "));
        let token = token.ok_or(Failure(StatusCode::UNAUTHORIZED))?;
        let known = shop.with(|database| {
            database.prepare("SELECT 1 FROM sessions WHERE token = ?1")?.exists(params![token])
        })?;
        if known { Ok(Self) } else { Err(Failure(StatusCode::UNAUTHORIZED)) }
    }
}

/// The service, whose user has this password.
pub(crate) fn router(password: &str) -> rusqlite::Result<Router> {
    let database = Connection::open_in_memory()?;
    database.execute_batch(TABLES)?;
    for number in 1..=ORDERS {
        database.execute(
            "INSERT INTO orders (item, quantity) VALUES (?1, ?2)",
            params![format!("item-{number:04}"), number % 7 + 1],
        )?;
    }
    let shop = Shop { database: Mutex::new(database), password: password.to_owned() };
    Ok(Router::new()
        .route("/health", get(|| async { "ok" }))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/orders", get(list).post(create))
        .route("/orders/{id}", get(read).put(update).delete(remove))
        .with_state(Arc::new(shop)))
}

async fn login(
    State(shop): Shared,
    Json(given): Json<Credentials>,
) -> Result<Json<Session>, Failure> {
    if given.user != "ada" || given.password != shop.password {
        return Err(Failure(StatusCode::UNAUTHORIZED));
    }
    // Keys of a hash map are random: enough for an example, and not for a service.
    let random = || RandomState::new().build_hasher().finish();
    // With room for all of it, so that each token costs the same.
    let mut token = String::with_capacity(32);
    let _ = write!(token, "{:016x}{:016x}", random(), random());
    shop.with(|database| {
        database.prepare("INSERT INTO sessions (token) VALUES (?1)")?.execute(params![token])
    })?;
    Ok(Json(Session { token }))
}

/// Ends all sessions.
async fn logout(State(shop): Shared, _: User) -> Result<StatusCode, Failure> {
    shop.with(|database| database.execute("DELETE FROM sessions", params![]))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn create(
    State(shop): Shared,
    _: User,
    Json(NewOrder { item, quantity }): Json<NewOrder>,
) -> Result<impl IntoResponse, Failure> {
    let id = shop.with(|database| {
        database
            .prepare("INSERT INTO orders (item, quantity) VALUES (?1, ?2)")?
            .insert(params![item, quantity])
    })?;
    let order = Json(Order { id, item, quantity });
    Ok((StatusCode::CREATED, [(LOCATION, format!("/orders/{id}"))], order))
}

async fn read(State(shop): Shared, _: User, Path(id): Path<i64>) -> Result<Json<Order>, Failure> {
    let found = shop.with(|database| {
        database
            .prepare("SELECT id, item, quantity FROM orders WHERE id = ?1")?
            .query_row(params![id], order)
            .optional()
    })?;
    found.map(Json).ok_or(Failure(StatusCode::NOT_FOUND))
}

async fn list(
    State(shop): Shared,
    _: User,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Order>>, Failure> {
    let found = shop.with(|database| {
        let mut statement = database
            .prepare("SELECT id, item, quantity FROM orders WHERE id > ?1 ORDER BY id LIMIT 20")?;
        statement.query_map(params![page.after], order)?.collect()
    })?;
    Ok(Json(found))
}

async fn update(
    State(shop): Shared,
    _: User,
    Path(id): Path<i64>,
    Json(NewOrder { item, quantity }): Json<NewOrder>,
) -> Result<Json<Order>, Failure> {
    let changed = shop.with(|database| {
        database
            .prepare("UPDATE orders SET item = ?2, quantity = ?3 WHERE id = ?1")?
            .execute(params![id, item, quantity])
    })?;
    if changed == 0 {
        return Err(Failure(StatusCode::NOT_FOUND));
    }
    Ok(Json(Order { id, item, quantity }))
}

async fn remove(State(shop): Shared, _: User, Path(id): Path<i64>) -> Result<StatusCode, Failure> {
    let removed = shop.with(|database| {
        database.prepare("DELETE FROM orders WHERE id = ?1")?.execute(params![id])
    })?;
    Ok(if removed == 0 { StatusCode::NOT_FOUND } else { StatusCode::NO_CONTENT })
}

fn order(row: &rusqlite::Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order { id: row.get(0)?, item: row.get(1)?, quantity: row.get(2)? })
}
