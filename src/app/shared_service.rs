//! One service of a worker for all that use it. An `App` made twice would hold its routes and their state twice.

use std::cell::RefCell;
use std::rc::Rc;

use actix_service::ServiceFactory;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

/// Makes a service once, and hands it to all who ask.
pub struct SharedService<F: ServiceFactory<R>, R> {
    factory: Rc<F>,
    made: Rc<RefCell<Option<Rc<F::Service>>>>,
}

impl<F: ServiceFactory<R>, R> SharedService<F, R> {
    pub fn new(factory: F) -> Self {
        Self { factory: Rc::new(factory), made: Rc::default() }
    }
}

impl<F: ServiceFactory<R>, R> Clone for SharedService<F, R> {
    fn clone(&self) -> Self {
        Self { factory: Rc::clone(&self.factory), made: Rc::clone(&self.made) }
    }
}

impl<F, R> ServiceFactory<R> for SharedService<F, R>
where
    F: ServiceFactory<R, Config = ()> + 'static,
    R: 'static,
{
    type Response = F::Response;
    type Error = F::Error;
    type Config = ();
    type Service = Rc<F::Service>;
    type InitError = F::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, Self::InitError>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let this = self.clone();
        async move {
            if let Some(made) = &*this.made.borrow() {
                return Ok(Rc::clone(made));
            }
            let made = Rc::new(this.factory.new_service(()).await?);
            // A second one that was begun meanwhile is dropped.
            Ok(Rc::clone(this.made.borrow_mut().get_or_insert(made)))
        }
        .boxed_local()
    }
}
