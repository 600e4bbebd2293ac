using Tessera.Testing;

namespace Tessera.Tests;

public sealed class ThreadLimitTests
{
    [Theory]
    [InlineData("0", 1)]
    [InlineData("\t0-3", 4)]
    [InlineData("0-1,4,8-11", 7)]
    public void Lists_of_processors(string list, int expected) => Assert.Equal(expected, ThreadLimit.InList(list));

    [Theory]
    [InlineData(null, null)]
    [InlineData("", null)]
    [InlineData("1", 1)]
    [InlineData("4,2", 4)]
    [InlineData(" 3 ", 3)]
    [InlineData("0", null)]
    [InlineData("-1", null)]
    [InlineData("all", null)]
    [InlineData("99999999999", null)]
    public void The_variable_of_OpenMP(string? value, int? expected) => Assert.Equal(expected, ThreadLimit.OfOpenMp(value));

    [Theory]
    [InlineData("max 100000\n", null)]
    [InlineData("200000 100000\n", 2.0)]
    [InlineData("150000 100000", 1.5)]
    [InlineData("50000 0", null)]
    [InlineData("50000", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void The_quota_of_a_group_of_the_second_version(string? max, double? expected) =>
        Assert.Equal(expected, ThreadLimit.OfSecond(max));

    [Theory]
    [InlineData("-1", "100000", null)]
    [InlineData("250000\n", "100000\n", 2.5)]
    [InlineData("250000", null, null)]
    [InlineData(null, "100000", null)]
    public void The_quota_of_a_group_of_the_first_version(string? quota, string? period, double? expected) =>
        Assert.Equal(expected, ThreadLimit.OfFirst(quota, period));

    private static int? Quota(string groups, params (string Path, string Content)[] files) =>
        ThreadLimit.Quota(groups.Split('\n'), path => files.FirstOrDefault(file => file.Path == path).Content);

    [Fact]
    public void The_least_quota_counts_of_a_group_and_all_above_it()
    {
        Assert.Null(Quota("0::/"));
        Assert.Null(Quota(""));
        Assert.Null(Quota("no group"));
        Assert.Equal(2, Quota("0::/", ("/sys/fs/cgroup/cpu.max", "200000 100000")));
        Assert.Equal(3, Quota("0::/a/b", ("/sys/fs/cgroup/a/cpu.max", "250000 100000"), ("/sys/fs/cgroup/a/b/cpu.max", "max 100000")));
        Assert.Equal(1, Quota("0::/a/b", ("/sys/fs/cgroup/a/cpu.max", "400000 100000"), ("/sys/fs/cgroup/a/b/cpu.max", "10000 100000")));
    }

    [Fact]
    public void Groups_of_the_first_version_are_named_by_their_controllers()
    {
        const string groups = "12:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n3:cpuset:/docker/x\n0::/docker/x";
        Assert.Null(Quota(groups));
        // A container sees its own group as the root.
        Assert.Equal(
            2,
            Quota(
                groups,
                ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000"),
                ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000")
            )
        );
        Assert.Equal(
            4,
            Quota(
                groups,
                ("/sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us", "200000"),
                ("/sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us", "50000")
            )
        );
        Assert.Null(Quota(groups, ("/sys/fs/cgroup/cpuset/docker/x/cpu.cfs_quota_us", "200000")));
    }

    [Theory]
    [InlineData("0::/app/a", "sys/fs/cgroup/app/cpu.max", "150000 100000\n", 2)]
    [InlineData("0::/", "sys/fs/cgroup/cpu.max", "300000 100000\n", 3)]
    [InlineData("0::/app", "sys/fs/cgroup/app/cpu.max", "max 100000\n", null)]
    [InlineData("4:cpu,cpuacct:/app\n0::/", "sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "400000\n", 4)]
    public void What_the_kernel_tells_in_its_files_limits_the_threads(string groups, string file, string content, int? quota)
    {
        using var root = new TempFolder();
        root.Write("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-4,8\nMems_allowed_list:\t0\n");
        root.Write("proc/self/cgroup", groups + "\n");
        root.Write(file, content);
        root.Write(Path.Combine(Path.GetDirectoryName(file)!, "cpu.cfs_period_us"), "100000\n");
        ThreadLimit[] expected =
        [
            new(Environment.ProcessorCount, "processors"),
            new(6, "affinity"),
            .. quota is { } processors ? [new ThreadLimit(processors, "cgroup quota")] : Array.Empty<ThreadLimit>(),
        ];
        Assert.Equal(expected, ThreadLimit.OfProcessors(root.Path));
        Assert.Equal([new(Environment.ProcessorCount, "processors")], ThreadLimit.OfProcessors(root["nowhere"]));
    }

    [Fact]
    public void The_least_limit_is_taken_and_named()
    {
        ThreadLimit[] limits = [new(8, "processors"), new(4, "affinity"), new(4, "cgroup quota")];
        Assert.Equal(new(4, "affinity"), ThreadLimit.Least(limits));
        Assert.Equal(new(2, ThreadLimit.Variable), ThreadLimit.Least([.. limits, new(2, ThreadLimit.Variable)]));
        Assert.Equal(new(4, "affinity"), ThreadLimit.Least([.. limits, new(16, ThreadLimit.Variable)]));
    }

    [Fact]
    public void Processes_share_processors_and_not_what_each_was_told()
    {
        ThreadLimit[] limits = [new(8, "processors")];
        Assert.Equal(8, ThreadLimit.Shared(limits, 1));
        Assert.Equal(2, ThreadLimit.Shared(limits, 3));
        Assert.Equal(1, ThreadLimit.Shared(limits, 16));
        Assert.Equal(3, ThreadLimit.Shared([.. limits, new(3, ThreadLimit.Variable)], 2));
        Assert.Equal(4, ThreadLimit.Shared([.. limits, new(6, ThreadLimit.Variable)], 2));
    }
}
