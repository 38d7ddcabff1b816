//! Optics over nested records: lenses, prisms, traversals and what they compose to.
//!
//! A [`Lens`] is a part that is always there, a [`Prism`] one of several shapes of a whole, and a
//! [`Traversal`] any number of parts; each composes with each by `then`. They are plain functions
//! without boxes, so that what a composition costs is what the code that it stands for costs.

use std::marker::PhantomData;

/// A part of a whole that is always there.
pub(crate) trait Lens<Whole, Part>: Sized {
    fn get<'a>(&self, whole: &'a Whole) -> &'a Part;
    fn get_mut<'a>(&self, whole: &'a mut Whole) -> &'a mut Part;

    /// The whole with another part.
    fn set(&self, mut whole: Whole, part: Part) -> Whole {
        *self.get_mut(&mut whole) = part;
        whole
    }

    /// The whole with its part changed.
    fn over(&self, mut whole: Whole, change: impl FnOnce(&mut Part)) -> Whole {
        change(self.get_mut(&mut whole));
        whole
    }

    /// A part of the part.
    fn then<Inner, L: Lens<Part, Inner>>(self, inner: L) -> Then<Self, L, Part> {
        Then { outer: self, inner, middle: PhantomData }
    }
}

/// A field by the two ways to it.
pub(crate) struct Field<Whole, Part> {
    pub(crate) get: fn(&Whole) -> &Part,
    pub(crate) get_mut: fn(&mut Whole) -> &mut Part,
}

impl<Whole, Part> Lens<Whole, Part> for Field<Whole, Part> {
    fn get<'a>(&self, whole: &'a Whole) -> &'a Part {
        (self.get)(whole)
    }

    fn get_mut<'a>(&self, whole: &'a mut Whole) -> &'a mut Part {
        (self.get_mut)(whole)
    }
}

/// One optic after another.
pub(crate) struct Then<Outer, Inner, Middle> {
    outer: Outer,
    inner: Inner,
    middle: PhantomData<fn(Middle)>,
}

impl<Whole, Middle: 'static, Part, Outer, Inner> Lens<Whole, Part> for Then<Outer, Inner, Middle>
where
    Outer: Lens<Whole, Middle>,
    Inner: Lens<Middle, Part>,
{
    fn get<'a>(&self, whole: &'a Whole) -> &'a Part {
        self.inner.get(self.outer.get(whole))
    }

    fn get_mut<'a>(&self, whole: &'a mut Whole) -> &'a mut Part {
        self.inner.get_mut(self.outer.get_mut(whole))
    }
}

/// One shape of a whole.
pub(crate) struct Prism<Whole, Part> {
    pub(crate) preview: fn(&Whole) -> Option<&Part>,
    pub(crate) preview_mut: fn(&mut Whole) -> Option<&mut Part>,
    pub(crate) build: fn(Part) -> Whole,
}

/// Any number of parts.
pub(crate) trait Traversal<Whole, Part>: Sized {
    fn each(&self, whole: &Whole, visit: &mut dyn FnMut(&Part));
    fn each_mut(&self, whole: &mut Whole, change: &mut dyn FnMut(&mut Part));

    /// The parts, copied.
    fn collect(&self, whole: &Whole) -> Vec<Part>
    where
        Part: Clone,
    {
        let mut parts = Vec::new();
        self.each(whole, &mut |part| parts.push(part.clone()));
        parts
    }

    /// The whole with each part changed.
    fn over(&self, mut whole: Whole, mut change: impl FnMut(&mut Part)) -> Whole {
        self.each_mut(&mut whole, &mut change);
        whole
    }

    /// The parts of the parts.
    fn then<Inner, T: Traversal<Part, Inner>>(self, inner: T) -> Then<Self, T, Part> {
        Then { outer: self, inner, middle: PhantomData }
    }
}

impl<Whole, Middle: 'static, Part, Outer, Inner> Traversal<Whole, Part>
    for Then<Outer, Inner, Middle>
where
    Outer: Traversal<Whole, Middle>,
    Inner: Traversal<Middle, Part>,
{
    fn each(&self, whole: &Whole, visit: &mut dyn FnMut(&Part)) {
        self.outer.each(whole, &mut |middle| self.inner.each(middle, visit));
    }

    fn each_mut(&self, whole: &mut Whole, change: &mut dyn FnMut(&mut Part)) {
        self.outer.each_mut(whole, &mut |middle| self.inner.each_mut(middle, change));
    }
}

/// The items of a list.
pub(crate) struct Items;

impl<Part> Traversal<Vec<Part>, Part> for Items {
    fn each(&self, whole: &Vec<Part>, visit: &mut dyn FnMut(&Part)) {
        whole.iter().for_each(visit);
    }

    fn each_mut(&self, whole: &mut Vec<Part>, change: &mut dyn FnMut(&mut Part)) {
        whole.iter_mut().for_each(change);
    }
}

/// A lens as the traversal of its one part.
pub(crate) struct One<L>(pub(crate) L);

impl<Whole, Part, L: Lens<Whole, Part>> Traversal<Whole, Part> for One<L> {
    fn each(&self, whole: &Whole, visit: &mut dyn FnMut(&Part)) {
        visit(self.0.get(whole));
    }

    fn each_mut(&self, whole: &mut Whole, change: &mut dyn FnMut(&mut Part)) {
        change(self.0.get_mut(whole));
    }
}

impl<Whole, Part> Traversal<Whole, Part> for Prism<Whole, Part> {
    fn each(&self, whole: &Whole, visit: &mut dyn FnMut(&Part)) {
        if let Some(part) = (self.preview)(whole) {
            visit(part);
        }
    }

    fn each_mut(&self, whole: &mut Whole, change: &mut dyn FnMut(&mut Part)) {
        if let Some(part) = (self.preview_mut)(whole) {
            change(part);
        }
    }
}

/// A company, to look into.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Company {
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) staff: Vec<Person>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Address {
    pub(crate) street: String,
    pub(crate) city: City,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct City {
    pub(crate) name: String,
    pub(crate) zip: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) contact: Contact,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Contact {
    Mail(String),
    Phone(u64),
}

/// A company with so many people, every other one with a phone.
pub(crate) fn company(people: u64) -> Company {
    let person = |number: u64| Person {
        name: format!("person {number}"),
        contact: if number.is_multiple_of(2) {
            Contact::Phone(number)
        } else {
            Contact::Mail(format!("{number}@example.org"))
        },
    };
    Company {
        name: "Optics".to_owned(),
        address: Address {
            street: "Long Lane".to_owned(),
            city: City { name: "Oxford".to_owned(), zip: 12_345 },
        },
        staff: (0..people).map(person).collect(),
    }
}

pub(crate) const ADDRESS: Field<Company, Address> =
    Field { get: |it| &it.address, get_mut: |it| &mut it.address };
pub(crate) const CITY: Field<Address, City> =
    Field { get: |it| &it.city, get_mut: |it| &mut it.city };
pub(crate) const ZIP: Field<City, u32> = Field { get: |it| &it.zip, get_mut: |it| &mut it.zip };
pub(crate) const STAFF: Field<Company, Vec<Person>> =
    Field { get: |it| &it.staff, get_mut: |it| &mut it.staff };
pub(crate) const CONTACT: Field<Person, Contact> =
    Field { get: |it| &it.contact, get_mut: |it| &mut it.contact };

pub(crate) const PHONE: Prism<Contact, u64> = Prism {
    preview: |it| match it {
        Contact::Phone(number) => Some(number),
        Contact::Mail(_) => None,
    },
    preview_mut: |it| match it {
        Contact::Phone(number) => Some(number),
        Contact::Mail(_) => None,
    },
    build: Contact::Phone,
};

/// The zip of a company: three lenses.
pub(crate) fn zip() -> impl Lens<Company, u32> {
    Lens::then(Lens::then(ADDRESS, CITY), ZIP)
}

/// The phones of a company: a lens, a traversal, a lens and a prism.
pub(crate) fn phones() -> impl Traversal<Company, u64> {
    let contacts = Traversal::then(Traversal::then(One(STAFF), Items), One(CONTACT));
    Traversal::then(contacts, PHONE)
}
