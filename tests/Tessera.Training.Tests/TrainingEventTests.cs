namespace Tessera.Training.Tests;

/// <summary>What a log is told of a training.</summary>
public sealed class TrainingEventTests
{
    public static TheoryData<TrainingEvent, TrainingEventLevel, string> Events =>
        new()
        {
            {
                new StepDone(1, 3, 12, 40, 0.53125, 1e-3, 241.6, new TimeSpan(0, 2, 5)),
                TrainingEventLevel.Debug,
                "epoch 2 of 3, step 12 of 40: loss 0.5313, learning rate 1e-3, 242 samples per second, 0.00:02:05 left"
            },
            { new Evaluating(128), TrainingEventLevel.Debug, "128 samples evaluated so far" },
            {
                new Evaluated(
                    0,
                    new FeatureMetrics(10, null, null, 3) { Losses = new Dictionary<string, double> { ["loss"] = 0.25 } },
                    null
                ),
                TrainingEventLevel.Information,
                "epoch 1 evaluated on 10 samples: loss 0.2500, rank 3.0000"
            },
            { new CheckpointWritten("/runs/a"), TrainingEventLevel.Information, "checkpoint written to /runs/a" },
            { new Resumed("/runs/a", 7, []), TrainingEventLevel.Information, "going on at step 7 from /runs/a" },
            {
                new Resumed("/runs/a", 7, ["/runs/b: damaged"]),
                TrainingEventLevel.Warning,
                "going on at step 7 from /runs/a; newer checkpoints cannot be used: /runs/b: damaged"
            },
            {
                new ScaleLowered(3, 512),
                TrainingEventLevel.Debug,
                "gradients overflowed at step 3: the scale of the loss is 512 from now on"
            },
            { new DataRemark("few samples"), TrainingEventLevel.Warning, "few samples" },
            {
                new ImageUnreadable(new(3, "a.png", "cut off"), "train", 1),
                TrainingEventLevel.Warning,
                "a.png (train) cannot be read: cut off"
            },
            { new StepSkipped(5, 2, "nan"), TrainingEventLevel.Warning, "step 5 was skipped (2 in a row): nan" },
        };

    [Theory]
    [MemberData(nameof(Events))]
    public void Every_event_has_a_level_and_a_line(TrainingEvent happened, TrainingEventLevel level, string line)
    {
        Assert.Equal(level, happened.Level);
        Assert.Equal(line, happened.Describe());
    }

    [Fact]
    public void All_events_of_the_library_describe_themselves()
    {
        var kinds = typeof(TrainingEvent).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(TrainingEvent)) && !type.IsAbstract);
        Assert.All(kinds, kind => Assert.NotEqual(typeof(TrainingEvent), kind.GetMethod("Text", NonPublic)!.DeclaringType));
    }

    private const System.Reflection.BindingFlags NonPublic =
        System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic;
}
