//! The laws of lenses, prisms and traversals, and of what they compose to.

use proptest::prelude::*;

use crate::optics::*;

fn contact() -> impl Strategy<Value = Contact> {
    prop_oneof![any::<u64>().prop_map(Contact::Phone), ".{0,8}".prop_map(Contact::Mail)]
}

fn any_company() -> impl Strategy<Value = Company> {
    let person = (".{0,8}", contact()).prop_map(|(name, contact)| Person { name, contact });
    (".{0,8}", any::<u32>(), prop::collection::vec(person, 0..6)).prop_map(|(name, zip, staff)| {
        let city = City { name: name.clone(), zip };
        let address = Address { street: name.clone(), city };
        Company { name, address, staff }
    })
}

proptest! {
    #[test]
    fn a_lens_gives_what_was_set(company in any_company(), new in any::<u32>()) {
        prop_assert_eq!(*zip().get(&zip().set(company, new)), new);
    }

    #[test]
    fn setting_what_is_there_changes_nothing(company in any_company()) {
        let part = *zip().get(&company);
        prop_assert_eq!(zip().set(company.clone(), part), company);
    }

    #[test]
    fn the_last_set_counts(company in any_company(), one in any::<u32>(), two in any::<u32>()) {
        let twice = zip().set(zip().set(company.clone(), one), two);
        prop_assert_eq!(twice, zip().set(company, two));
    }

    #[test]
    fn over_is_set_of_get(company in any_company()) {
        let next = zip().get(&company).wrapping_add(1);
        let over = Lens::over(&zip(), company.clone(), |it| *it = it.wrapping_add(1));
        prop_assert_eq!(over, zip().set(company, next));
    }

    #[test]
    fn a_composed_lens_is_one_after_the_other(company in any_company()) {
        prop_assert_eq!(zip().get(&company), ZIP.get(CITY.get(ADDRESS.get(&company))));
    }

    #[test]
    fn a_prism_previews_what_it_builds(number in any::<u64>()) {
        let built = (PHONE.build)(number);
        prop_assert_eq!((PHONE.preview)(&built), Some(&number));
    }

    #[test]
    fn a_prism_builds_what_it_previews(contact in contact()) {
        if let Some(number) = (PHONE.preview)(&contact) {
            prop_assert_eq!((PHONE.build)(*number), contact);
        }
    }

    #[test]
    fn a_traversal_keeps_the_whole_under_the_identity(company in any_company()) {
        prop_assert_eq!(phones().over(company.clone(), |_| {}), company);
    }

    #[test]
    fn two_traversals_are_one_of_both_changes(company in any_company()) {
        let (one, two) = (|it: &mut u64| *it ^= 7, |it: &mut u64| *it = it.wrapping_mul(3));
        let twice = phones().over(phones().over(company.clone(), one), two);
        let once = phones().over(company, |it| { one(it); two(it); });
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn a_traversal_finds_every_phone(company in any_company()) {
        let found = company.staff.iter().filter_map(|person| (PHONE.preview)(&person.contact));
        prop_assert_eq!(phones().collect(&company), found.copied().collect::<Vec<_>>());
    }
}

#[test]
fn a_company_has_every_other_phone() {
    assert_eq!(phones().collect(&company(5)), [0, 2, 4]);
}
