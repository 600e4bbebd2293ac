namespace Tessera.Training.Tests;

public sealed class ScheduleTests
{
    [Fact]
    public void The_shifted_cosine_rises_over_the_warm_up_and_falls_to_the_minimum()
    {
        var schedule = new CosineOptions(5, 0.5, MinLr: 1e-5);
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
        Assert.Equal(103, schedule.TotalEpochs);
    }

    [Fact]
    public void The_form_of_deit_lags_an_epoch_behind()
    {
        var timm = new CosineOptions(100, 10, 1e-6, 1e-5, CosineForm.Timm);
        var deit = timm with { Form = CosineForm.Deit };
        Assert.Equal(1e-6, deit.LearningRate(1e-3, 0, 7), 1e-15);
        for (var epoch = 1; epoch < 100; epoch++) Assert.Equal(timm.LearningRate(1e-3, (epoch - 1) * 7, 7), deit.LearningRate(1e-3, epoch * 7, 7), 1e-15);
    }

    [Fact]
    public void The_basic_form_warms_up_by_fractions()
    {
        var schedule = new CosineOptions(200, 5, Form: CosineForm.Basic);
        Assert.Equal([1e-4, 1.25e-4, 5e-4 / 3, 2.5e-4, 5e-4, 5e-4], Enumerable.Range(0, 6).Select(e => Math.Round(schedule.LearningRate(5e-4, e * 3, 3), 12)).Select(v => Math.Abs(v - 5e-4 / 3) < 1e-9 ? 5e-4 / 3 : v));
        Assert.Equal(5e-4 * 0.5 * (1 + Math.Cos(Math.PI * 95 / 195)), schedule.LearningRate(5e-4, 300, 3), 1e-12);
    }

    [Fact]
    public void The_learning_rate_scales_with_the_batch_where_the_recipe_says_so()
    {
        Assert.Equal(1e-3, new AdamWOptions(5e-4, LrBatch: 512).LearningRate(1024), 1e-15);
        Assert.Equal(5e-4, new AdamWOptions(5e-4).LearningRate(1024), 1e-15);
    }
}
