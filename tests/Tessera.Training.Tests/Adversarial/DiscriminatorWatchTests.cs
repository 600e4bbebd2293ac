using Tessera.Training.Objectives.Adversarial;

namespace Tessera.Training.Tests.Adversarial;

[Collection("engine")]
public sealed class DiscriminatorWatchTests
{
    private static string[] Watch(DiscriminatorWatch watch, int from, int to, double real, double fake, double spread = 1)
    {
        using var scope = new Scope();
        List<string> said = [];
        for (var step = from; step < to; step++)
            said.AddRange(
                watch
                    .Look(Tensor.From<double>([real, real + spread]).Reshape(2, 1), Tensor.From<double>([fake, fake - spread]), step)
                    .Remarks
            );
        return [.. said];
    }

    [Theory]
    [InlineData(2, -3, 1, "the discriminator wins outright: for 100 steps", "(mean scores 2.5 and -3.5)")]
    [InlineData(40, 35, 10, "the discriminator is saturated: for 100 steps", "(mean scores 45 and 30)")]
    [InlineData(0.5, 0.5, 1e-5, "the discriminator is blind: for 100 steps", "(mean scores 0.5 and 0.5)")]
    public void It_is_said_once_when_a_discriminator_has_failed_for_long_also_after_a_stop(
        double real,
        double fake,
        double spread,
        string begins,
        string holds
    )
    {
        using var scope = new Scope();
        var watch = new DiscriminatorWatch();
        Assert.Empty(Watch(watch, 0, 99, real, fake, spread));
        var resumed = new DiscriminatorWatch();
        resumed.LoadStateDict(watch.StateDict());
        foreach (var one in (DiscriminatorWatch[])[watch, resumed])
        {
            var line = Assert.Single(Watch(one, 99, 300, real, fake, spread));
            Assert.StartsWith(begins, line, StringComparison.Ordinal);
            Assert.Contains(holds, line, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_step_in_between_begins_anew_and_a_step_of_several_batches_counts_once()
    {
        using var scope = new Scope();
        var watch = new DiscriminatorWatch();
        Assert.Empty(Watch(watch, 0, 60, 2, -2));
        Assert.Empty(Watch(watch, 60, 61, -1, -2, 0.5));
        Assert.Empty(Watch(watch, 61, 160, 2, -2));
        for (var again = 0; again < 5; again++)
            Assert.Empty(Watch(watch, 159, 160, 2, -2));
        Assert.Single(Watch(watch, 160, 161, 2, -2));
    }

    [Fact]
    public void Right_answers_are_counted()
    {
        using var scope = new Scope();
        var (right, _) = new DiscriminatorWatch().Look(Tensor.From<double>([1, -1, 0]), Tensor.From<double>([-1, 2, -0.5]), 0);
        Assert.Equal(3, right);
    }
}
