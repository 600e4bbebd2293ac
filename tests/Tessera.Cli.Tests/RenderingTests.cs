using Tessera.Cli.Rendering;
using Tessera.Training;
using Tessera.Training.Tasks.Classification;

namespace Tessera.Cli.Tests;

public class RenderingTests
{
    [Theory]
    [InlineData(3.76e6, "3.76 M")]
    [InlineData(281_000, "281 k")]
    [InlineData(1.26e9, "1.26 G")]
    [InlineData(12, "12")]
    public void Large_numbers_have_three_digits_and_a_unit(double value, string text) => Assert.Equal(text, Figures.Large(value));

    [Theory]
    [InlineData(41, "41 s")]
    [InlineData(247, "4:07")]
    [InlineData(7447, "2:04:07")]
    public void Times_are_short(int seconds, string text) => Assert.Equal(text, Figures.Time(TimeSpan.FromSeconds(seconds)));

    [Fact]
    public void Plain_progress_shows_a_line_now_and_then_and_one_for_each_evaluation()
    {
        using var to = new StringWriter();
        var clock = new Clock();
        var view = new PlainTrainingView(to, clock);
        for (var step = 1; step <= 25; step++)
        {
            view.Handle(new StepDone(0, 1, step, 25, 2.0 / step, 1e-3, 1000, TimeSpan.FromSeconds(25 - step)));
            clock.Now += TimeSpan.FromSeconds(1);
        }
        view.Handle(new Evaluated(0, Measured(0.25), null));
        var lines = to.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("epoch 1/1  step 1/25  loss 2.0000  lr 1.00e-03  1000 images/s  24 s left", lines[0]);
        Assert.Equal(["step 1/25", "step 11/25", "step 21/25"], lines[..3].Select(line => line.Split("  ")[1]));
        Assert.StartsWith("epoch 1 evaluated  train loss 0.30", lines[3], StringComparison.Ordinal);
        Assert.Contains("top-1 25.00 %", lines[3], StringComparison.Ordinal);
        Assert.Equal(4, lines.Length);
    }

    [Fact]
    public void Progress_tells_arithmetic_and_its_share_of_the_peak()
    {
        using var to = new StringWriter();
        var view = new PlainTrainingView(to, new Clock()) { Arithmetic = new(0.2, 400), Samples = "texts" };
        view.Handle(new StepDone(0, 1, 1, 25, 2.0, 1e-3, 1000, TimeSpan.FromSeconds(24)));
        Assert.Contains("1000 texts/s  200 GFLOP/s (50 % of peak)  24 s left", to.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Progress_tells_what_a_method_watches_beside_its_loss()
    {
        using var to = new StringWriter();
        var view = new PlainTrainingView(to, new Clock());
        view.Handle(
            new StepDone(0, 1, 1, 25, 2.0, 1e-3, 1000, TimeSpan.FromSeconds(24))
            {
                Watched = [new("deviation", 0.25, MetricFormat.Number), new("uniformity", -1.5, MetricFormat.Number)],
            }
        );
        Assert.Contains("loss 2.0000  deviation 0.2500  uniformity -1.5000  lr 1.00e-03", to.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_unreadable_images_are_shown_the_others_only_counted()
    {
        using var to = new StringWriter();
        var view = new PlainTrainingView(to, new Clock());
        for (var i = 1; i <= 9; i++)
            view.Handle(new ImageUnreadable(new(i, $"{i}.jpg", "an empty file"), "train", i));
        var lines = to.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(5, lines.Length);
        Assert.Equal("1.jpg cannot be read: an empty file", lines[0]);
        Assert.Contains("log.jsonl", lines[4], StringComparison.Ordinal);
    }

    [Fact]
    public void The_description_of_pictures_tells_throughput_and_time_left_now_and_then()
    {
        List<string> lines = [];
        var clock = new Clock();
        var view = new IndexingView("indexed", lines.Add, TimeSpan.FromSeconds(5), clock);
        for (var done = 32; done <= 320; done += 32)
        {
            clock.Now += TimeSpan.FromSeconds(1);
            view.Report(new(done, 320, done == 320 ? 2 : 0));
        }
        Assert.Equal(
            [
                "indexed 32 of 320 (10 %)  32 pictures/s  9 s left",
                "indexed 192 of 320 (60 %)  32 pictures/s  4 s left",
                "indexed 320 of 320 (100 %)  32 pictures/s  2 cannot be read",
            ],
            lines
        );
    }

    private static ClassificationMetrics Measured(double top1) =>
        new(4, 1.5, top1, 1, [top1], top1, 0.1, 0.2, 0.3)
        {
            Confusion =
            [
                [4],
            ],
            Calibration = [],
            Mistakes = [],
        };

    private sealed class Clock : TimeProvider
    {
        internal TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
