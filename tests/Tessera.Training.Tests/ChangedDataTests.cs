using Tessera.Testing;

namespace Tessera.Training.Tests;

/// <summary>Runs whose data has changed or moved before they go on.</summary>
[Collection("engine")]
public sealed class ChangedDataTests : IDisposable
{
    private readonly TempFolder folder = new();

    public ChangedDataTests()
    {
        SmallMnist.Write(folder["data"]);
        File.WriteAllText(RecipePath, SmallMnist.Recipe(folder["data"]));
    }

    public void Dispose() => folder.Dispose();

    private string RecipePath => folder["recipe.yaml"];

    private string Run => folder["run"];

    // Stopped in the middle of the first of two epochs.
    private void Begin()
    {
        using var stop = new CancellationTokenSource();
        using var experiment = Experiment.Begin(RecipePath, [], Run, e =>
        {
            if (e is StepDone { Step: 3 })
                stop.Cancel();
        });
        Assert.False(experiment.Train(stop.Token).Completed);
    }

    private List<TrainingEvent> Resume(ResumeOptions options)
    {
        var events = new List<TrainingEvent>();
        using var experiment = Experiment.Resume(Run, events.Add, options: options);
        Assert.True(experiment.Train().Completed);
        return events;
    }

    private string Refused(ResumeOptions options) => Assert.Throws<RunException>(() => Experiment.Resume(Run, options: options)).Message;

    [Fact]
    public void More_samples_and_other_labels_are_refused_unless_they_are_accepted()
    {
        Begin();
        SmallMnist.Write(folder["data"], train: 100);
        var labels = Path.Combine(folder["data"], "t10k-labels-idx1-ubyte");
        var bytes = File.ReadAllBytes(labels);
        bytes[8 + 5] = 9;
        File.WriteAllBytes(labels, bytes);
        var message = Refused(new());
        Assert.Contains("100 training samples instead of 96; 4 new training samples: 96, 97, 98, ...", message, StringComparison.Ordinal);
        Assert.Contains("1 test samples have other labels: 5", message, StringComparison.Ordinal);
        Assert.Contains("--accept-changed-data", message, StringComparison.Ordinal);

        var changed = Assert.Single(Resume(new(AcceptChangedData: true)).OfType<DataChanged>());
        Assert.Contains("going on with changed data: 100 training samples", changed.Remark, StringComparison.Ordinal);
        var line = Assert.Single(RunLog.Read(new RunFolder(Run).LogPath), line => (string)line["kind"]! == "data_changed");
        Assert.Equal(changed.Difference, (string)line["difference"]!);
        // It is the run's data from now on.
        Assert.Empty(Resume(new()).OfType<DataChanged>());
    }

    [Fact]
    public void A_run_that_never_kept_a_record_goes_on_with_a_remark_and_keeps_one()
    {
        Begin();
        var record = Path.Combine(Run, "data.json.gz");
        var kept = File.ReadAllBytes(record);
        File.Delete(record);
        Assert.Contains("is unknown", Assert.Single(Resume(new()).OfType<DataUnknown>()).Remark, StringComparison.Ordinal);
        Assert.Equal(kept, File.ReadAllBytes(record));
        Assert.Empty(Resume(new()).OfType<DataUnknown>());
        File.WriteAllBytes(record, kept[..20]);
        Assert.Contains("data.json.gz: the record of the run's data cannot be read", Refused(new()), StringComparison.Ordinal);
    }

    [Fact]
    public void Data_that_was_moved_is_named_once()
    {
        Begin();
        Directory.Move(folder["data"], folder["moved"]);
        Assert.Contains($"{folder["data"]}, does not exist: --root FOLDER", Refused(new()), StringComparison.Ordinal);
        Assert.Contains("--root", Refused(new(folder["nowhere"])), StringComparison.Ordinal);
        Assert.Equal(folder["data"], Recipe.Load(Path.Combine(Run, "recipe.yaml")).Data.Root);
        var head = File.ReadLines(Path.Combine(Run, "recipe.yaml")).First();
        Assert.Empty(Resume(new(folder["moved"])).OfType<DataChanged>());
        Assert.Equal(folder["moved"], Recipe.Load(Path.Combine(Run, "recipe.yaml")).Data.Root);
        Assert.Equal(head, File.ReadLines(Path.Combine(Run, "recipe.yaml")).First());
        // Measuring finds it too.
        BundleMeasurement.OfRun(Run, ModelBundle.Load(Run), new()).Run();
    }

    [Fact]
    public void A_run_that_lives_is_neither_begun_nor_resumed_a_second_time()
    {
        using (Experiment.Begin(RecipePath, [], Run))
        {
            Assert.Contains("is training this run", Refused(new()), StringComparison.Ordinal);
            Assert.Contains(
                "is training this run",
                Assert.Throws<RunException>(() => Experiment.Begin(RecipePath, [], Run)).Message,
                StringComparison.Ordinal
            );
        }
        Assert.Contains(
            "holds a run already",
            Assert.Throws<RunException>(() => Experiment.Begin(RecipePath, [], Run)).Message,
            StringComparison.Ordinal
        );
        Resume(new());
    }

    private static DataRecord.Part Part(string[] classes, string[] names, params int[] labels) =>
        new(classes, names, [.. labels.Select(label => $"{label}")]);

    [Theory]
    // The same.
    [InlineData("a b", "a/1 b/2", null)]
    [InlineData("b a", "a/1 b/2", "the 2 classes are in another order")]
    [InlineData("a c", "a/1 b/2", "classes have other names: b is now c")]
    [InlineData("a b c", "a/1 b/2", "3 classes instead of 2, new are: c")]
    [InlineData("a", "a/1 b/2", "1 classes instead of 2, gone are: b")]
    [InlineData("a b", "b/2 a/1", "the training samples are in another order, or come another number of times")]
    [InlineData("a b", "a/1 b/3", "1 new training samples: b/3; 1 training samples are gone: b/2")]
    [InlineData("a b", "a/1", "1 training samples instead of 2; 1 training samples are gone: b/2")]
    [InlineData(
        "a b",
        "a/1 b/2 b/2",
        "3 training samples instead of 2; the training samples are in another order, or come another number of times"
    )]
    public void Differences_are_told_by_name(string classes, string names, string? expected)
    {
        var test = Part(["a", "b"], ["t"], 0);
        var before = new DataRecord(Part(["a", "b"], ["a/1", "b/2"], 0, 1), test);
        string[] found = names.Split(' ');
        var now = new DataRecord(Part(classes.Split(' '), found, [.. found.Select(name => name[0] - 'a')]), test);
        Assert.Equal(expected, before.Difference(now));
    }

    [Fact]
    public void A_record_reads_back_whatever_the_names()
    {
        var record = new DataRecord(Part(["a\u0085b", "é"], ["x\ty", "\ufffd"], 0, 1), Part([], ["0"]));
        record.Write(folder["record"]);
        Assert.Null(record.Difference(DataRecord.Read(folder["record"])!));
    }
}
