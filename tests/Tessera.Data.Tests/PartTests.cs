using FsCheck;
using FsCheck.Fluent;
using Tessera.Data.Images;
using Tessera.Data.Imaging;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Parts of data sets: drawn from every class alike, held out, listed in files.</summary>
public sealed class PartTests
{
    // Classes of different sizes, in no order.
    private static MemoryImages Set(int count = 600, int classes = 7)
    {
        var random = new Random(classes);
        int[] labels =
        [
            .. Enumerable.Range(0, count).Select(i => i < 2 * classes ? i % classes : Math.Min(random.Next(classes), random.Next(classes))),
        ];
        return new(
            "set",
            "train",
            [.. Enumerable.Range(0, classes).Select(i => $"class {i}")],
            labels,
            [.. labels.Select((_, i) => (byte)i)],
            1,
            1,
            1,
            new([0], [1])
        );
    }

    private static int[] PerClass(Dataset data, IEnumerable<int> indices) =>
        [.. indices.CountBy(index => ClassLabels.Of(data).Labels[index]).OrderBy(c => c.Key).Select(c => c.Value)];

    [Fact]
    public void So_many_of_every_class_are_drawn()
    {
        var data = Set();
        var drawn = StratifiedSampling.Draw(data, 5, seed: 1);
        Assert.Equal(drawn.Distinct().Order(), drawn);
        Assert.Equal([5, 5, 5, 5, 5, 5, 5], PerClass(data, drawn));
        Assert.Contains(
            " samples, 100 were asked for",
            Assert.Throws<DataException>(() => StratifiedSampling.Draw(data, 100, 1)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_share_of_every_class_is_drawn_and_at_least_one()
    {
        var data = Set();
        var sizes = PerClass(data, Enumerable.Range(0, data.Count));
        Assert.Equal(
            sizes.Select(size => (int)Math.Round(size * 0.1, MidpointRounding.AwayFromZero)),
            PerClass(data, StratifiedSampling.Draw(data, 0.1, 3))
        );
        Assert.Equal([1, 1, 1, 1, 1, 1, 1], PerClass(data, StratifiedSampling.Draw(data, 1e-4, 3)));
        Assert.Equal(Enumerable.Range(0, data.Count), StratifiedSampling.Draw(data, 1.0, 3));
    }

    [Fact]
    public void Draws_depend_on_the_seed_alone_and_smaller_ones_are_part_of_larger_ones() =>
        Prop.ForAll(Gen.Choose(0, 1000).Zip(Gen.Choose(1, 99).Two()).ToArbitrary(), given =>
            {
                var (seed, (first, second)) = given;
                var data = Set();
                var (small, large) = (
                    StratifiedSampling.Draw(data, Math.Min(first, second) / 100.0, (ulong)seed),
                    StratifiedSampling.Draw(data, Math.Max(first, second) / 100.0, (ulong)seed)
                );
                return small.All(large.Contains)
                    && small.SequenceEqual(StratifiedSampling.Draw(Set(), Math.Min(first, second) / 100.0, (ulong)seed));
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Another_seed_draws_others() =>
        Assert.NotEqual(StratifiedSampling.Draw(Set(), 0.2, 1), StratifiedSampling.Draw(Set(), 0.2, 2));

    [Fact]
    public void The_draw_of_a_seed_stays_the_same_for_ever()
    {
        // Of ten samples of one class; published lists of samples would lose their meaning.
        var data = new Named([.. Enumerable.Range(0, 10).Select(i => $"{i}")]);
        Assert.Equal([1, 5, 7, 9], StratifiedSampling.Draw(data, 4, seed: 5));
        Assert.Equal([0, 3, 5, 8], StratifiedSampling.Divide(data, 0.4, seed: 5).HeldOut);
    }

    [Fact]
    public void What_is_held_out_and_what_is_left_are_the_whole()
    {
        var data = Set();
        var (left, heldOut) = StratifiedSampling.Divide(data, 0.25, 9);
        Assert.Equal(Enumerable.Range(0, data.Count), left.Concat(heldOut).Order());
        Assert.Empty(left.Intersect(heldOut));
        var sizes = PerClass(data, Enumerable.Range(0, data.Count));
        Assert.Equal(sizes.Select(size => (int)Math.Round(size * 0.25, MidpointRounding.AwayFromZero)), PerClass(data, heldOut));
        Assert.Contains(
            "nothing is left",
            Assert.Throws<DataException>(() => StratifiedSampling.Divide(data, 0.999, 9)).Message,
            StringComparison.Ordinal
        );
        // What is held out says nothing of what is drawn for training.
        Assert.NotEqual(heldOut, StratifiedSampling.Draw(data, 0.25, 9));
    }

    [Fact]
    public void A_subset_reads_the_samples_that_it_names()
    {
        var data = Set();
        var part = data.Part([3, 500, 7], "some");
        var raster = new Raster();
        part.Read(1, raster);
        Assert.Equal((byte)(500 % 256), raster.Values[0]);
        Assert.Equal(["3", "500", "7"], Enumerable.Range(0, 3).Select(part.SampleName));
        Assert.Equal(
            [ClassLabels.Of(data).Labels[3], ClassLabels.Of(data).Labels[500], ClassLabels.Of(data).Labels[7]],
            ClassLabels.Of(part).Labels
        );
        Assert.Equal(("set", "some", 3), (part.Name, part.Split, part.Count));
        Assert.Equal("set (train): there is no sample 600 among 600", Assert.Throws<DataException>(() => data.Part([600])).Message);
    }

    private sealed class Named(params string[] names) : Dataset("named", "train", new ClassLabels(["one"], new int[names.Length]))
    {
        public override Named Part(IReadOnlyList<int> indices, string? split = null) => new([.. indices.Select(index => names[index])]);

        public override Named Relabelled(Annotations annotations) => throw new NotSupportedException();

        public override string SampleName(int index) => names[index];
    }

    [Fact]
    public void A_list_that_was_written_reads_back()
    {
        using var folder = new TempFolder();
        var data = Set();
        var drawn = StratifiedSampling.Draw(data, 4, 1);
        File.WriteAllText(folder["list"], SampleList.Write(data.Part(drawn), "some samples"));
        Assert.StartsWith("# some samples\n", File.ReadAllText(folder["list"]), StringComparison.Ordinal);
        Assert.Equal(drawn, SampleList.Read(folder["list"], data));

        var files = new Named("/data/train/cat/1.png", "/data/train/cat/2.png", "/data/train/dog/1.png", "/data/train/dog/3.png");
        File.WriteAllText(folder["list"], SampleList.Write(files, "files"));
        Assert.Equal(["# files", "cat/1.png", "cat/2.png", "dog/1.png", "dog/3.png"], File.ReadAllLines(folder["list"]));
        Assert.Equal([0, 1, 2, 3], SampleList.Read(folder["list"], files));
    }

    [Fact]
    public void Files_are_named_by_path_or_by_what_is_unique_of_it()
    {
        using var folder = new TempFolder();
        var files = new Named("/data/train/cat/1.png", "/data/train/cat/2.png", "/data/train/dog/1.png");
        File.WriteAllText(folder["list"], "# published list\n2.png\n\n /data/train/dog/1.png \n");
        Assert.Equal([1, 2], SampleList.Read(folder["list"], files));
        Error("1.png", ":1: '1.png' is the name of several samples of named (train)");
        Error("2.png\ncat/2.png", ":2: 'cat/2.png' comes a second time");
        Error("\nbird/1.png", ":2: 'bird/1.png' is no sample of named (train)");
        Error("# nothing", ": the list names no sample");
        Assert.Contains(
            "none",
            Assert.Throws<DataException>(() => SampleList.Read(folder["none"], files)).Message,
            StringComparison.Ordinal
        );

        void Error(string text, string message)
        {
            File.WriteAllText(folder["list"], text);
            Assert.StartsWith(
                folder["list"] + message,
                Assert.Throws<DataException>(() => SampleList.Read(folder["list"], files)).Message,
                StringComparison.Ordinal
            );
        }
    }

    [Fact]
    public void A_limit_takes_of_every_class_in_proportion_and_a_smaller_one_is_part_of_a_larger()
    {
        // 400 of a, 150 of b, 50 of c, each class in one piece.
        int[] labels = [.. Enumerable.Repeat(0, 400), .. Enumerable.Repeat(1, 150), .. Enumerable.Repeat(2, 50)];
        var data = new Text.TextDataset("t", "train", [.. labels.Select(label => $"{label}")], new ClassLabels(["a", "b", "c"], labels));
        int[] Counts(int[] taken) => [.. Enumerable.Range(0, 3).Select(c => taken.Count(index => labels[index] == c))];
        Assert.Equal([1, 1, 1], Counts(StratifiedSampling.Take(data, 3, 5)));
        Assert.Equal(2, Counts(StratifiedSampling.Take(data, 2, 5)).Count(count => count == 1));
        var counts = Counts(StratifiedSampling.Take(data, 120, 5));
        Assert.Equal(120, counts.Sum());
        Assert.All(counts.Zip([80, 30, 10]), pair => Assert.InRange(pair.First, pair.Second - 1, pair.Second + 1));
        for (var most = 1; most < 600; most += 37)
            Assert.Subset(StratifiedSampling.Take(data, most + 20, 5).ToHashSet(), StratifiedSampling.Take(data, most, 5).ToHashSet());
        Assert.Equal(Enumerable.Range(0, 600), StratifiedSampling.Take(data, 600, 5));
        Assert.NotEqual(StratifiedSampling.Take(data, 50, 5), StratifiedSampling.Take(data, 50, 6));
    }

    // Names as .NET gives them: any characters, halves of surrogate pairs too, but no end of a path's part.
    private static readonly Gen<string> names =
        from characters in Gen.Elements(
                '\t',
                '\n',
                '\r',
                '"',
                '\'',
                '\\',
                ' ',
                '#',
                'n',
                't',
                'u',
                '0',
                'a',
                '\u001b',
                '\u0085',
                '\u00a0',
                '\u2028',
                '\u3000',
                '\ufeff',
                '\ufffd',
                '\u202e',
                '\ud83d',
                '\ude00',
                '/'
            )
            .NonEmptyListOf()
        select string.Concat(characters);

    [Theory]
    [InlineData("/data/0/ /")]
    [InlineData("/data/a/", "/data/a/b")]
    [InlineData("/data/a/b", "/data/a/", "/data/a//")]
    public void Something_is_left_of_a_name_that_ends_with_a_slash(params string[] samples)
    {
        using var folder = new TempFolder();
        var data = new Named(samples);
        File.WriteAllText(folder["list"], SampleList.Write(data, "names"));
        Assert.Equal(Enumerable.Range(0, data.Count), SampleList.Read(folder["list"], data));
    }

    [Fact]
    public void Lists_of_any_names_read_back()
    {
        using var folder = new TempFolder();
        Prop.ForAll(names.NonEmptyListOf().ToArbitrary(), list =>
            {
                var data = new Named([.. list.Distinct().Select((name, i) => $"/data/{i}/{name}").Order(StringComparer.Ordinal)]);
                File.WriteAllText(folder["list"], SampleList.Write(data, "any\nnames"));
                Assert.Equal(Enumerable.Range(0, data.Count), SampleList.Read(folder["list"], data));
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    [Fact]
    public void Escapes_read_back_and_name_what_is_none()
    {
        Prop.ForAll(names.ToArbitrary(), name => Assert.Equal(name, SampleNameEscapes.Read(SampleNameEscapes.Escape(name).Trim())))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(300));
        using var folder = new TempFolder();
        var files = new Named("/data/a\\tb", "/data/a\tb");
        // A list that says nothing of escapes has names as they are.
        File.WriteAllText(folder["list"], "a\\tb\n");
        Assert.Equal([0], SampleList.Read(folder["list"], files));
        File.WriteAllText(folder["list"], $"{SampleNameEscapes.Notice}\na\\tb\n");
        Assert.Equal([1], SampleList.Read(folder["list"], files));
        File.WriteAllText(folder["list"], $"{SampleNameEscapes.Notice}\na\\x\n");
        Assert.Contains(
            ":2: 'a\\x' has a backslash that begins no escape",
            Assert.Throws<DataException>(() => SampleList.Read(folder["list"], files)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_name_is_first_that_below_the_common_folder()
    {
        using var folder = new TempFolder();
        var files = new Named("a/a/x", "a/x");
        File.WriteAllText(folder["list"], "a/x\n");
        Assert.Equal([0], SampleList.Read(folder["list"], files));
    }
}
