namespace Tessera.Training.Tests;

public sealed class ScheduleTests
{
    [Fact]
    public void The_shifted_cosine_rises_over_the_warm_up_and_falls_to_the_minimum()
    {
        var schedule = new CosineOptions(5, 0.5, MinLearningRate: 1e-5);
        double At(long step) => schedule.LearningRate(1e-3, step, 100);
        Assert.Equal(1e-3 / 50, At(0), 1e-12);
        Assert.Equal(1e-3, At(49), 1e-12);
        Assert.Equal(1e-3, At(50), 1e-12);
        Assert.Equal(1e-5 + 0.5 * (1e-3 - 1e-5), At(275), 1e-12);
        Assert.InRange(At(499), 1e-5, 1.01e-5);
    }

    [Fact]
    public void The_form_of_timm_counts_the_cosine_from_the_first_epoch()
    {
        var schedule = new CosineOptions(100, 10, 1e-6, 1e-5, CosineForm.Timm, Cooldown: 3);
        double Epoch(int epoch) => schedule.LearningRate(1e-3, epoch * 7 + 6, 7);
        Assert.Equal(1e-6, Epoch(0), 1e-15);
        Assert.Equal(1e-6 + 9 * (1e-3 - 1e-6) / 10, Epoch(9), 1e-12);
        Assert.Equal(1e-5 + 0.5 * (1e-3 - 1e-5) * (1 + Math.Cos(Math.PI * 0.1)), Epoch(10), 1e-12);
        Assert.Equal(1e-5, Epoch(102), 1e-15);
        Assert.Equal(103, schedule.TotalEpochs(1));
    }

    [Fact]
    public void The_form_of_deit_lags_an_epoch_behind()
    {
        var timm = new CosineOptions(100, 10, 1e-6, 1e-5, CosineForm.Timm);
        var deit = timm with { Form = CosineForm.Deit };
        Assert.Equal(1e-6, deit.LearningRate(1e-3, 0, 7), 1e-15);
        for (var epoch = 1; epoch < 100; epoch++)
            Assert.Equal(timm.LearningRate(1e-3, (epoch - 1) * 7, 7), deit.LearningRate(1e-3, epoch * 7, 7), 1e-15);
    }

    [Fact]
    public void The_basic_form_warms_up_by_fractions()
    {
        var schedule = new CosineOptions(200, 5, Form: CosineForm.Basic);
        Assert.Equal(
            [1e-4, 1.25e-4, 5e-4 / 3, 2.5e-4, 5e-4, 5e-4],
            Enumerable
                .Range(0, 6)
                .Select(e => Math.Round(schedule.LearningRate(5e-4, e * 3, 3), 12))
                .Select(v => Math.Abs(v - 5e-4 / 3) < 1e-9 ? 5e-4 / 3 : v)
        );
        Assert.Equal(5e-4 * 0.5 * (1 + Math.Cos(Math.PI * 95 / 195)), schedule.LearningRate(5e-4, 300, 3), 1e-12);
    }

    [Theory]
    [InlineData(1.0, 0.0)]
    [InlineData(0.9, 1e-4)]
    public void Mmsegmentations_schedule_counts_in_steps(double power, double least)
    {
        const double top = 6e-3;
        var schedule = new PolyOptions(Steps: 1600, Power: power, Warmup: 150, MinLearningRate: least);
        foreach (var step in new long[] { 0, 1, 75, 149, 150, 151, 800, 1599 })
        {
            var regular = (top - least) * Math.Pow(1 - step / 1600.0, power) + least;
            var expected = step < 150 ? regular * (1 - (1 - step / 150.0) * (1 - 1e-6)) : regular;
            // Steps count, however long an epoch is.
            Assert.All([1L, 7, 5000], perEpoch => Assert.Equal(expected, schedule.LearningRate(top, step, perEpoch), 1e-15));
        }
        Assert.Equal((229, 1600), (schedule.TotalEpochs(7), schedule.TotalSteps(7)));
        var epochs = new PolyOptions(Epochs: 16, Power: power, Warmup: 150, MinLearningRate: least);
        Assert.Equal(schedule.LearningRate(top, 700, 100), epochs.LearningRate(top, 700, 100), 1e-15);
        Assert.Equal((16, 1600), (epochs.TotalEpochs(100), epochs.TotalSteps(100)));
    }

    [Theory]
    [InlineData("{ name: poly }")]
    [InlineData("{ name: poly, steps: 10, epochs: 2 }")]
    public void A_length_is_given_in_steps_or_in_epochs(string schedule) =>
        Assert.EndsWith(
            "a poly schedule must be { steps: 160000 } or { epochs: 100 }",
            Assert
                .Throws<RecipeException>(() =>
                    Recipe.Parse(
                        "{ model: vit_micro_patch4_32, data: mnist, objective: supervised, optimizer: sgd, augment: [] }",
                        "r.yaml",
                        $"schedule={schedule}"
                    )
                )
                .Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void Cycles_and_a_warm_up_before_them_add_to_the_length()
    {
        Assert.Equal(4 + 8 + 16 + 2, new CosineOptions(4, Form: CosineForm.Timm, Cycles: 3, CycleGrowth: 2, Cooldown: 2).TotalEpochs(1));
        Assert.Equal(3 + 20, new CosineOptions(20, 3, Form: CosineForm.TimmPrefix).TotalEpochs(1));
        Assert.Equal(1e-3, new CosineOptions(20, 30, Form: CosineForm.TimmPrefix).LearningRate(1e-3, 30, 1), 1e-15);
    }

    [Fact]
    public void The_rise_of_a_step_schedule_multiplies_what_has_fallen_already()
    {
        var schedule = new StepOptions(10, At: [2], Warmup: 4, WarmupLearningRate: 0, Per: ScheduleInterval.Step);
        Assert.Equal(0.25, schedule.LearningRate(1, 10, 10), 1e-12);
        Assert.Equal(0.1 * 0.75, schedule.LearningRate(1, 30, 10), 1e-12);
        Assert.Equal(0.1, schedule.LearningRate(1, 40, 10), 1e-12);
    }

    [Fact]
    public void Polynomial_and_linear_end_at_the_minimum_and_stay_there()
    {
        foreach (var schedule in new ScheduleOptions[] { new PolynomialOptions(5, MinLearningRate: 0.01), new LinearOptions(5, 0.01) })
        {
            Assert.Equal(1, schedule.LearningRate(1, 0, 10), 1e-12);
            Assert.Equal(0.01, schedule.LearningRate(1, 50, 10), 1e-12);
            Assert.Equal(0.01, schedule.LearningRate(1, 70, 10), 1e-12);
        }
    }

    [Fact]
    public void The_learning_rate_scales_with_the_batch_where_the_recipe_says_so()
    {
        Assert.Equal(1e-3, new AdamWOptions(5e-4, LearningRateBatch: 512).TopLearningRate(1024), 1e-15);
        Assert.Equal(5e-4, new AdamWOptions(5e-4).TopLearningRate(1024), 1e-15);
    }

    [Fact]
    public void Simclrs_cosine_counts_steps_and_its_length_goes_by_samples()
    {
        var schedule = StepCosineOptions.SimClr(100, 6, 16, 2);
        Assert.Equal(new StepCosineOptions(38, 12), schedule);
        foreach (var perEpoch in new long[] { 1, 6, 7 })
        {
            Assert.Equal(0, schedule.LearningRate(0.5, 0, perEpoch));
            Assert.Equal(0.5 * 11 / 12, schedule.LearningRate(0.5, 11, perEpoch), 1e-12);
            Assert.Equal(0.5, schedule.LearningRate(0.5, 12, perEpoch), 1e-12);
            Assert.Equal(0.25, schedule.LearningRate(0.5, 25, perEpoch), 1e-12);
            Assert.Equal(0, schedule.LearningRate(0.5, 38, perEpoch), 1e-12);
        }
        Assert.Equal((7, 38), (schedule.TotalEpochs(6), schedule.TotalSteps(6)));
        Assert.Equal(0.1, new StepCosineOptions(10, MinLearningRate: 0.1).LearningRate(0.5, 99, 1), 1e-12);
        Assert.Contains(
            "warmup must be less than 10 steps, not 10",
            Assert.Throws<ArgumentException>(() => new StepCosineOptions(10, 10)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void The_demo_of_moco_counts_epochs_from_one()
    {
        var schedule = new CosineOptions(4, MinLearningRate: 0.01, Form: CosineForm.MocoCifar);
        double Epoch(int epoch) => schedule.LearningRate(0.06, epoch * 5 + 3, 5);
        Assert.Equal(0.01 + 0.025 * (1 + Math.Cos(Math.PI / 4)), Epoch(0), 1e-12);
        Assert.Equal(0.035, Epoch(1), 1e-12);
        Assert.Equal(0.01, Epoch(3), 1e-12);
        Assert.Throws<ArgumentException>(() => new CosineOptions(4, 1, Form: CosineForm.MocoCifar));
        Assert.Throws<ArgumentException>(() => new CosineOptions(4, Form: CosineForm.MocoCifar, Per: ScheduleInterval.Step));
    }

    [Fact]
    public void A_rise_of_a_step_schedule_may_count_in_steps()
    {
        var schedule = new StepOptions(10, At: [8], Rate: 0.2, WarmupSteps: 500);
        Assert.Equal(3e-3 / 500, schedule.LearningRate(3e-3, 0, 97), 1e-12);
        Assert.Equal(3e-3, schedule.LearningRate(3e-3, 499, 97), 1e-12);
        Assert.Equal(3e-3, schedule.LearningRate(3e-3, 500, 97), 1e-12);
        Assert.Equal(6e-4, schedule.LearningRate(3e-3, 8 * 97, 97), 1e-12);
        Assert.Contains(
            "not both",
            Assert.Throws<ArgumentException>(() => new StepOptions(10, 3, Warmup: 1, WarmupSteps: 5)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Lars_may_scale_its_rate_with_the_root_of_the_batch()
    {
        Assert.Equal(0.3 * 2, new LarsOptions(0.3, LearningRateBatch: 256).TopLearningRate(512), 1e-12);
        var root = new LarsOptions(0.075, LearningRateBatch: 1, Scaling: LearningRateScaling.Sqrt);
        Assert.Equal(0.075 * 64, root.TopLearningRate(4096), 1e-12);
        Assert.Equal(0.075, (root with { LearningRateBatch = null }).TopLearningRate(4096), 1e-12);
    }

    [Fact]
    public void A_constant_rate_may_count_in_steps_and_ends_within_an_epoch()
    {
        var schedule = new StepConstantOptions(10, 4);
        Assert.Equal((10, 3), (schedule.TotalSteps(4), schedule.TotalEpochs(4)));
        double[] shares = [0.25, 0.5, 0.75, 1, 1, 1];
        Assert.Equal(shares, Enumerable.Range(0, 6).Select(step => schedule.LearningRate(2, step, 4) / 2));
        Assert.Equal(1, new StepConstantOptions(10).LearningRate(1, 0, 4));
        Assert.Throws<ArgumentException>(() => new StepConstantOptions(10, 10));
    }
}
