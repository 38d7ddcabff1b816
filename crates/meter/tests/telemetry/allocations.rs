//! A request allocates nothing for its telemetry, by our own counter.

use std::{convert::Infallible, future};

use axum::{
    Router,
    body::{Body, HttpBody},
    response::{IntoResponse, Response as AxumResponse},
    routing::get,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use perf_passport_meter::{
    allocation::{AllocationCost, is_counting, is_installed},
    instrument::metered,
    telemetry::{RouteTemplate, SlowLog, Telemetry},
    units::Nanos,
};
use tokio::runtime;
use tower::{Layer, Service, ServiceExt, layer::util::Identity, service_fn};

/// What the eleventh request allocates, its body read to the end.
fn cost<S, B>(service: &S, request: impl Fn() -> Request<Body>) -> AllocationCost
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
    B: HttpBody<Error: std::fmt::Debug>,
{
    assert!(is_installed() && is_counting());
    let runtime = runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut last = AllocationCost::default();
        for _ in 0..11 {
            let (service, request) = (service.clone(), request());
            let work = async {
                let response = service.oneshot(request).await.unwrap();
                let mut body = std::pin::pin!(response.into_body());
                while let Some(frame) = body.frame().await {
                    frame.unwrap();
                }
            };
            ((), last) = metered(work).await;
        }
        last
    })
}

fn request() -> Request<Body> {
    Request::builder().uri("/hello").body(Body::empty()).unwrap()
}

fn traced() -> Request<Body> {
    let mut request = request();
    let value = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    request.headers_mut().insert("traceparent", value.parse().unwrap());
    request
}

fn telemetry() -> Telemetry {
    let log = SlowLog::new(|line| panic!("{line}")).threshold(Nanos::new(u64::MAX));
    Telemetry::builder("test").slow_log(log).build()
}

#[test]
fn any_tower_service_and_any_body_allocate_nothing_more() {
    let of_size = service_fn(|_: Request<Body>| {
        future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello")))))
    });
    let stream = service_fn(|_: Request<Body>| {
        let body = Full::new(Bytes::from_static(b"hello")).map_frame(|frame| frame);
        future::ready(Ok::<_, Infallible>(Response::new(body.boxed_unsync())))
    });
    let telemetry = telemetry();
    let layer = telemetry.layer(RouteTemplate::Fixed("/hello".into()));
    for request in [request, traced] {
        assert_eq!(
            cost(&layer.layer(of_size), request),
            cost(&Identity::new().layer(of_size), request)
        );
        assert_eq!(cost(&layer.layer(of_size), request).allocations.get(), 0);
        assert_eq!(
            cost(&layer.layer(stream), request).allocations,
            cost(&Identity::new().layer(stream), request).allocations
        );
    }
}

fn router(handler: fn() -> AxumResponse) -> Router {
    Router::new().route("/hello", get(move || async move { handler() }))
}

#[test]
fn a_router_allocates_nothing_more_for_a_body_of_known_size_and_one_box_for_a_stream() {
    let of_size = || "hello".into_response();
    let stream = || {
        let body = Full::new(Bytes::from_static(b"hello"));
        Body::from_stream(body.into_data_stream()).into_response()
    };
    let large = || vec![0_u8; 1024 * 1024].into_response();
    let telemetry = telemetry();
    let mut extra = Vec::new();
    let cases: [fn() -> AxumResponse; 3] = [of_size, stream, large];
    for handler in cases {
        // As `axum::serve` has it: handlers have their state, and are not layered anew for each request.
        let with = router(handler).layer(telemetry.axum_layer()).with_state(());
        let without = router(handler).layer(Identity::new()).with_state(());
        let [with, without] = [with, without].map(|router| cost(&router, traced));
        extra.push(with.allocations.get() - without.allocations.get());
    }
    assert_eq!(extra, [0, 1, 1]);
}
