-- migrate:up

-- What a returned bank transfer costs is a plan of its own, of which only the fixed amount counts.
ALTER TABLE fee_plans
    DROP CONSTRAINT fee_plans_method_type_check,
    ADD CONSTRAINT fee_plans_method_type_check
        CHECK (method_type IN ('card', 'bank_account', 'bank_return'));

-- migrate:down

ALTER TABLE fee_plans
    DROP CONSTRAINT fee_plans_method_type_check,
    ADD CONSTRAINT fee_plans_method_type_check CHECK (method_type IN ('card', 'bank_account'));
